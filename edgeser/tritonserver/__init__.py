"""Models for NVIDIA's Triton Inference Server: thousands of live streams over gRPC or HTTP.

``repository.py`` writes a folder that the server loads. ``sequences.py`` keeps the streams of the
server's sequences in one pool and knows nothing of the server; ``model.py`` is what the server's
Python backend calls, and can be imported only inside of it. Importing this imports none of them.
"""
