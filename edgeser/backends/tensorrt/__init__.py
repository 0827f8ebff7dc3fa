"""TensorRT engines, built from ONNX graphs and cached.

``flavour.py`` has the differences between TensorRT and TensorRT-RTX, ``builder.py`` turns a graph
into an engine, ``cache.py`` keeps engines on disk, ``session.py`` runs one on a CUDA stream.
Importing this imports neither of the two.
"""

from edgeser.backends.tensorrt.builder import Batches, Progress, build
from edgeser.backends.tensorrt.cache import EngineCache
from edgeser.backends.tensorrt.flavour import FLAVOURS, Flavour, find_flavour

__all__ = [
    "FLAVOURS",
    "Batches",
    "EngineCache",
    "Flavour",
    "Progress",
    "build",
    "find_flavour",
]
