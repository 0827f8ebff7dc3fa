"""Reference implementation of the model and its streams in plain NumPy: slow and short.

All backends are tested against it. Streaming never uses it.
"""
