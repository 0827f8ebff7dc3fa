"""Streams, pools and utterances.

The behaviour of a stream is implemented in ``csrc/stream``, for Python, C and the GPU. This package
binds it to Python and to the backends.
"""
