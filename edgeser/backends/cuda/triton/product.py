"""Rows times a matrix: on tensor cores if there are rows enough to fill them."""

import triton
import triton.language as tl

_DEPTH = tl.constexpr(32)
"""Rows of a matrix that are multiplied at a time: of more, registers do not hold the columns."""


@triton.jit
def product(x, matrix, DOT: tl.constexpr):
    """``x`` (rows, K) times ``matrix`` (K, N), summed in float32; rows are 1, or at least 16.

    ``matrix`` is values or pointers to them. One row is multiplied in float32 whatever their
    precision: every value is used once, and all that counts is how fast it comes. Many rows are
    rounded to the matrix's precision; ``DOT`` says how those of float32 are multiplied.
    """
    if matrix.dtype.is_ptr():
        matrix = tl.load(matrix)
    if x.shape[0] == 1:
        return tl.sum(tl.sum(x, axis=0)[:, None] * matrix.to(tl.float32), axis=0)[None, :]
    return tl.dot(x.to(matrix.dtype), matrix, input_precision=DOT)


@triton.jit
def product_of_many(x, matrix, N: tl.constexpr, DOT: tl.constexpr):
    """The same for at least 16 rows and the pointer to a matrix, which lies row by row."""
    return _added(tl.zeros((x.shape[0], N), tl.float32), x, matrix, N, DOT)


@triton.jit
def _added(total, x, matrix, N: tl.constexpr, DOT: tl.constexpr):
    depth: tl.constexpr = x.shape[1]
    if depth > _DEPTH:
        half: tl.constexpr = depth // 2
        first, second = tl.split(x.reshape((x.shape[0], 2, half)).permute(0, 2, 1))
        total = _added(total, first, matrix, N, DOT)
        return _added(total, second, matrix + half * N, N, DOT)
    k, n = tl.arange(0, depth), tl.arange(0, N)
    values = tl.load(tl.multiple_of(matrix + (k[:, None] * N + n[None, :]), (16, 16)))
    return tl.dot(x.to(values.dtype), values, total, input_precision=DOT)


@triton.jit
def three_products(x, matrix, N: tl.constexpr, DOT: tl.constexpr):
    """``x`` times three matrices that lie one behind the other, each part of it split but once."""
    none = tl.zeros((x.shape[0], N), tl.float32)
    return _three_added(none, none, none, x, matrix, x.shape[1] * N, N, DOT)


@triton.jit
def _three_added(
    one, two, three, x, matrix, SIZE: tl.constexpr, N: tl.constexpr, DOT: tl.constexpr
):
    depth: tl.constexpr = x.shape[1]
    if depth > _DEPTH:
        half: tl.constexpr = depth // 2
        first, second = tl.split(x.reshape((x.shape[0], 2, half)).permute(0, 2, 1))
        one, two, three = _three_added(one, two, three, first, matrix, SIZE, N, DOT)
        matrix += half * N
        one, two, three = _three_added(one, two, three, second, matrix, SIZE, N, DOT)
        return one, two, three
    one = _added(one, x, matrix, N, DOT)
    two = _added(two, x, matrix + SIZE, N, DOT)
    three = _added(three, x, matrix + 2 * SIZE, N, DOT)
    return one, two, three
