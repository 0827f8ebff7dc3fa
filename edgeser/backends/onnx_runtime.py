"""ONNX Runtime: all of this package gets it from here."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from edgeser.errors import BackendError


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
