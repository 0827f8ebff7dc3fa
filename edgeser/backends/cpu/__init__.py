"""The CPU backend: the compiled core, with its own front end or ONNX Runtime's."""
