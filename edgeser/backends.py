"""What can execute a model here, and why the rest cannot."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any, Literal, get_args

from edgeser.errors import BackendError

Backend = Literal["cpu", "cuda", "auto"]
"""What executes a model: see :func:`edgeser.load`."""

BACKENDS: tuple[Backend, ...] = get_args(Backend)

Precision = Literal["float32", "bfloat16", "int8"]
"""How the kernels keep the model's weights: see :func:`edgeser.load`."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def _refuse_sub_interpreters() -> None:
    """Say at the first import what else would hang, or end in words of NumPy.

    Raises:
        ImportError: this is not the process's main interpreter.
    """
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    try:
        interpreters: Any = importlib.import_module(name)
    except ImportError:  # no such thing in this Python
        return
    if interpreters.get_current() != interpreters.get_main():
        raise ImportError(
            "edgeser cannot be used in a sub-interpreter: import it in the process's main one, or "
            "in another process (mod_wsgi: WSGIApplicationGroup %{GLOBAL})"
        )


_refuse_sub_interpreters()


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
    """ONNX Runtime, kept from reporting to its makers. Import it through here only.

    From 1.29 its official Linux builds collect telemetry unless told not to before they are
    imported: a thread, a database in the home folder and a web address. What listens to people
    must not do that. Where a program imported it earlier by itself, events are at least turned off.

    Raises:
        BackendError: it cannot be imported; the message has the reason.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise BackendError(
            f"ONNX Runtime cannot be imported ({error}): install onnxruntime again"
        ) from error
    runtime.disable_telemetry_events()
    return runtime


def check_backend(name: str) -> None:
    """Raises BackendError, naming those that there are, unless ``name`` is a backend."""
    if name not in BACKENDS:
        raise BackendError(
            f"this version of edgeser has no backend {name!r}; it has {', '.join(BACKENDS)}"
        )


def check_precision(name: str) -> None:
    """Raises BackendError, naming those that there are, unless ``name`` is a precision."""
    if name not in PRECISIONS:
        raise BackendError(f"there is no precision {name!r}; there are {', '.join(PRECISIONS)}")
