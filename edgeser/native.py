"""Imports the compiled core, ``edgeser._kernels``, for the whole package."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from edgeser.errors import BackendError


def _refuse_sub_interpreters() -> None:
    """Refuses sub-interpreters, which would hang or fail inside NumPy.

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
            f"the compiled kernels cannot be imported ({error}): reinstall edgeser, from a wheel "
            "for this platform or with a C++ compiler"
        ) from error
