"""A model for other people's runtimes: graphs in ONNX, made from a bundle alone (extra ``export``).

``step_graph.py`` makes the whole model one graph with its state as inputs and outputs,
``precision.py`` writes lower precision into the front end's graph. Both import onnx; this does not.
"""
