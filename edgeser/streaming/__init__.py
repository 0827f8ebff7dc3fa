"""Audio in, emotions out: streams, pools of them, utterances.

What a stream does is in ``csrc/stream``, once for Python, C and the GPU. Here is what Python sees
of it, and what executes the model for it.
"""
