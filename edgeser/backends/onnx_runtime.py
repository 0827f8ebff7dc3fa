"""Imports ONNX Runtime, for the whole package."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from edgeser.errors import BackendError


def onnx_runtime() -> ModuleType:
    """Imports ONNX Runtime with its telemetry turned off. Import it only through this function.

    From 1.29 on, its official Linux builds collect telemetry unless it is disabled before the
    import: a thread, a database in the home folder and a web address. A program that listens to
    people must not do that. If a program imported it earlier, its events are turned off.

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
