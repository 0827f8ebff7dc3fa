"""Rows times a matrix: on tensor cores if there are rows enough to fill them."""

import triton
import triton.language as tl


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
