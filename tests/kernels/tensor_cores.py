"""Triton's interpreter with the products of tensor cores, as far as these are known.

The interpreter multiplies float32 exactly as BLAS does, whatever precision is asked for, and
bfloat16 wrongly: it takes its bits for whole numbers, and cuts off where a GPU rounds. Here,
products are exact and are summed four at a time with the sum so far: all are aligned to the largest
of them and cut off below its 24th bit, and so is the sum. That is what M. Fasi et al. found on
V100, T4 and A100, "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 7:e330
(2021), less the one or more further bits that T4 and A100 keep. ``tf32x3`` splits a float32 into
two numbers of 11 bits each, rounded to nearest with ties away from zero, and leaves out the product
of the two lower ones; so do Triton 3.6 and the ``cvt.rna.tf32`` in the PTX that it makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

_AT_ONCE = 4
_BITS = 24


def tf32(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The nearest numbers of 11 bits."""
    bits = x.view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def bfloat16(x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """The bits of the nearest bfloat16, ties to even."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def multiply(x: Floats, y: Floats) -> npt.NDArray[np.float32]:
    """Matrices (M, K) and (K, N) of a low precision, or of float32 by ``tf32x3``, to (M, N)."""
    if x.dtype == np.float32:
        x, y = (np.ascontiguousarray(a, np.float32) for a in (x, y))
        x_high, y_high = tf32(x), tf32(y)
        parts = [(tf32(x - x_high), y_high), (x_high, tf32(y - y_high)), (x_high, y_high)]
    else:
        parts = [(x, y)]
    total = np.zeros((len(x), y.shape[1]))
    for left, right in parts:
        for k in range(0, left.shape[1], _AT_ONCE):
            some = slice(k, k + _AT_ONCE)
            columns, rows = left[:, some].T.astype(np.float64), right[some].astype(np.float64)
            terms = np.concatenate((total[None], columns[:, :, None] * rows[:, None, :]))
            exponent = np.frexp(np.abs(terms).max(axis=0))[1] - _BITS
            whole = np.trunc(np.ldexp(terms, -exponent)).sum(axis=0)
            total = _cut_off(np.ldexp(whole, exponent))
    return total.astype(np.float32)


def _cut_off(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The next float32 towards zero."""
    significand, exponent = np.frexp(x)
    return np.ldexp(np.trunc(np.ldexp(significand, _BITS)), exponent - _BITS)


@contextmanager
def interpreted() -> Iterator[None]:
    """Within this, interpreted kernels multiply matrices as tensor cores do."""
    import triton.language as tl
    from triton.runtime import interpreter

    builder = interpreter.InterpreterBuilder
    cast = builder.cast_impl

    def values(handle: Any) -> Floats:
        return from_bfloat16(handle.data) if handle.dtype.scalar == tl.bfloat16 else handle.data

    def dot(self: Any, a: Any, b: Any, d: Any, *_: Any) -> Any:  # noqa: ARG001
        product = multiply(values(a), values(b)) + d.data
        return interpreter.TensorHandle(product, d.dtype.scalar)

    def cast_impl(self: Any, source: Any, to: Any) -> Any:
        if (source.dtype.scalar, to.scalar) == (tl.float32, tl.bfloat16):
            return interpreter.TensorHandle(bfloat16(source.data), to.scalar)
        return cast(self, source, to)

    with mock.patch.multiple(builder, create_dot=dot, cast_impl=cast_impl), counting():
        yield


@contextmanager
def counting() -> Iterator[None]:
    """Within this, interpreted kernels have loops up to an argument.

    Triton 3.6 gives Python its scalars, of one dimension, as an index, which NumPy 2.4 refuses.
    """
    from triton.runtime import interpreter

    patch_tensor = interpreter._patch_lang_tensor

    def patch(tensor: Any, scope: Any) -> None:
        patch_tensor(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    with mock.patch.object(interpreter, "_patch_lang_tensor", patch):
        yield
