"""Bundles: ``NAME.edgeser``, the file that contains a model.

A bundle is a plain zip, members stored uncompressed, of ``manifest.json``, ``frontend.onnx`` and
``kernels.safetensors``. Nothing in it is executed or unpickled. See :func:`read_bundle` for what is
checked and :func:`write_bundle` for what is written.
"""

from typing import TYPE_CHECKING

from edgeser.bundle.manifest import FORMAT, Manifest, Sizes, SpeakerRules, Thresholds
from edgeser.bundle.reader import Bundle, read_bundle

if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    if name == "write_bundle":  # at first use: reading needs none of what it imports
        from edgeser.bundle.writer import write_bundle

        return write_bundle
    raise AttributeError(f"module 'edgeser.bundle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
