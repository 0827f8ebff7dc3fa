"""Options of loading a model: backends and precisions."""

from __future__ import annotations

from typing import Literal, get_args

from edgeser.errors import BackendError

Backend = Literal["cpu", "cuda", "auto"]
"""What executes a model: see :func:`edgeser.load`."""

BACKENDS: tuple[Backend, ...] = get_args(Backend)

Precision = Literal["float32", "bfloat16", "int8"]
"""How the kernels keep the model's weights: see :func:`edgeser.load`."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def check_backend(name: str) -> None:
    """Raises BackendError, with the known names, unless ``name`` is a backend."""
    if name not in BACKENDS:
        raise BackendError(
            f"this version of edgeser has no backend {name!r}; it has {', '.join(BACKENDS)}"
        )


def check_precision(name: str) -> None:
    """Raises BackendError, with the known names, unless ``name`` is a precision."""
    if name not in PRECISIONS:
        raise BackendError(f"there is no precision {name!r}; there are {', '.join(PRECISIONS)}")
