"""Streams on a CPU: the compiled core, with the front end in it or in ONNX Runtime."""
