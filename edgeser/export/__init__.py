"""Exports a bundle to ONNX graphs for other runtimes (extra ``export``).

``step_graph.py`` exports the whole model as one graph with its state as inputs and outputs,
``precision.py`` writes lower precision into the front end's graph. Both import onnx; this does not.
"""
