"""Audio in: chunks to mono float32, any rate to the model's, files to blocks."""
