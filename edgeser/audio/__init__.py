"""Audio input: checks chunks and converts them to mono float32; reads files in blocks."""
