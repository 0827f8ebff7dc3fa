"""Bundles: ``NAME.edgeser``, the file that contains a model.

A bundle is a plain zip, members stored uncompressed, of ``manifest.json``, ``frontend.onnx`` and
``kernels.safetensors``. Nothing in it is executed or unpickled. See :func:`read_bundle` for what is
checked and :func:`write_bundle` for what is written.
"""

from edgeser.bundle.manifest import FORMAT, Manifest, Sizes, SpeakerRules, Thresholds
from edgeser.bundle.reader import Bundle, read_bundle
from edgeser.bundle.writer import write_bundle

__all__ = [
    "FORMAT",
    "Bundle",
    "Manifest",
    "Sizes",
    "SpeakerRules",
    "Thresholds",
    "read_bundle",
    "write_bundle",
]
