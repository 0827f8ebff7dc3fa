"""What can execute a model here, and why the rest cannot."""

from __future__ import annotations

import importlib
from types import ModuleType

from edgeser.errors import BackendError

BACKENDS = ("cpu",)
"""The names that :func:`edgeser.load` takes."""


def kernels() -> ModuleType:
    """The compiled kernels, imported when first needed so that a broken build can be diagnosed.

    Raises:
        BackendError: they cannot be imported; the message has the reason.
    """
    try:
        return importlib.import_module("edgeser._kernels")
    except ImportError as error:
        raise BackendError(
            f"the compiled kernels cannot be imported ({error}): install edgeser again "
            "with a C++ compiler at hand, or from a wheel for this platform"
        ) from error


def onnx_runtime() -> ModuleType:
    """ONNX Runtime. Raises BackendError with the reason if it cannot be imported."""
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise BackendError(
            f"ONNX Runtime cannot be imported ({error}): install onnxruntime again"
        ) from error


def check_backend(name: str) -> None:
    """Raises BackendError, saying why, unless the backend ``name`` works here."""
    if name not in BACKENDS:
        raise BackendError(
            f"this version of edgeser has no backend {name!r}; it has {', '.join(BACKENDS)}"
        )
    kernels()
    onnx_runtime()
