"""A TACN layer's attention and convolution over whole sequences as one PyTorch operator.

``edgeser::attend_and_convolve`` launches the Triton kernels of ``edgeser/backends/cuda/triton``, on
a GPU or, with Triton's interpreter, on the CPU. It supports autograd, autocast and
``torch.compile``. For the backward pass it stores only Q, K, V and the result, without the windows
that plain PyTorch stores.
"""

from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from edgeser.backends.cuda.shapes import TacnShape
from edgeser.backends.cuda.triton.launch import DOT, LARGEST_WIDTH
from edgeser.backends.cuda.triton.tacn_sequence import tacn_sequence, tacn_sequence_gradient

FORWARD_WARPS, BACKWARD_WARPS = 8, 4
_FORWARD_BLOCK, _BACKWARD_BLOCK = 2048, 512
"""Values per block of rows, limited by registers: programs hold about 8 and 35 blocks."""
_LEAST_ROWS = 16
"""Smallest size of a matrix product."""


@torch.library.custom_op("edgeser::attend_and_convolve", mutates_args=())
def attend_and_convolve(
    projected: Tensor, filters: Tensor, bias: Tensor, heads: int, dilation: int
) -> Tensor:
    """Attention over each token's taps, convolution, and ReLU.

    Args:
        projected: Q, K and V of every token (B, T, 3, C), of any floating type; sums are float32 at
            least.
        filters: the taps (k, C, C), newest first, the output projection folded in.
        bias: (C,).
        heads: h, divides C.
        dilation: d.

    Returns:
        (B, T, C) in the wider type of ``projected`` and ``bias``.
    """
    batch, time = projected.shape[:2]
    result = _new_result(projected, bias)
    rows = batch * time
    if rows:
        fixed = forward_constants(filters, heads, projected)
        tacn_sequence[(-(-rows // fixed["BLOCK_ROWS"]),)](
            projected.contiguous(),
            filters.to(projected.dtype).contiguous(),
            bias.contiguous(),
            result,
            rows,
            time,
            dilation,
            **fixed,
            num_warps=FORWARD_WARPS,
        )
    return result


@torch.library.custom_op("edgeser::attend_and_convolve_backward", mutates_args=())
def attend_and_convolve_backward(
    gradient: Tensor, projected: Tensor, filters: Tensor, result: Tensor, heads: int, dilation: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by Q, K and V (B, T, 3, C), by filters (k, C, C) and by the bias (C,).

    ``gradient`` is that by ``result``, both (B, T, C); the rest is as for the operator. The one by
    the bias is float32 at least.
    """
    taps, width, _ = filters.shape
    batch, time = result.shape[:2]
    dtype = projected.dtype
    by_z = gradient.to(dtype).masked_fill(result <= 0, 0).reshape(-1, width)
    by_projected = projected.new_empty(projected.shape)
    by_mixed = by_z @ filters.to(dtype).reshape(taps * width, width).T
    mixed = torch.empty_like(by_mixed)
    rows = batch * time
    if rows:
        fixed = backward_constants(filters, heads, projected)
        tacn_sequence_gradient[(-(-rows // fixed["BLOCK_ROWS"]),)](
            projected.contiguous(),
            by_mixed,
            by_projected,
            mixed,
            rows,
            time,
            dilation,
            **fixed,
            num_warps=BACKWARD_WARPS,
        )
    by_filters = (mixed.T @ by_z).reshape(filters.shape).to(filters.dtype)
    return by_projected, by_filters, by_z.sum(0, dtype=_sum_type(projected))


@attend_and_convolve.register_fake
def _(projected: Tensor, filters: Tensor, bias: Tensor, heads: int, dilation: int) -> Tensor:  # noqa: ARG001
    return _new_result(projected, bias)


@attend_and_convolve_backward.register_fake
def _(
    gradient: Tensor,  # noqa: ARG001
    projected: Tensor,
    filters: Tensor,
    result: Tensor,  # noqa: ARG001
    heads: int,  # noqa: ARG001
    dilation: int,  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor]:
    by_bias = filters.new_empty(filters.shape[-1], dtype=_sum_type(projected))
    return projected.new_empty(projected.shape), filters.new_empty(filters.shape), by_bias


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int, int], output: Tensor) -> None:
    projected, filters, bias, ctx.heads, ctx.dilation = inputs
    ctx.bias_type = bias.dtype
    ctx.save_for_backward(projected, filters, output)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    sizes = ctx.heads, ctx.dilation
    by_projected, by_filters, by_bias = attend_and_convolve_backward(
        gradient, *ctx.saved_tensors, *sizes
    )
    return by_projected, by_filters, by_bias.to(ctx.bias_type), None, None


attend_and_convolve.register_autograd(_backward, setup_context=_keep)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def serves(device: torch.device, width: int) -> bool:
    """Whether the operator runs on a device, for tokens of a width: NVIDIA's, from Ampere on."""
    if device.type != "cuda" or torch.version.hip or width > LARGEST_WIDTH:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def forward_constants(filters: Tensor, heads: int, projected: Tensor) -> dict[str, Any]:
    """Compile-time constants of ``tacn_sequence`` for such tensors."""
    shape = _shape(filters, heads)
    side = max(shape.columns, shape.inner)
    # Triton's interpreter multiplies the bits of bfloat16 instead of its values. float32 multiplies
    # values that were rounded to bfloat16 without loss, too.
    interpreted = projected.dtype is torch.bfloat16 and not projected.is_cuda
    return {
        **_constants(shape, projected),
        "COLUMNS": shape.columns,
        "BLOCK_ROWS": max(_LEAST_ROWS, _FORWARD_BLOCK // side),
        "FACTOR": tl.float32 if interpreted else _TRITON[projected.dtype],
        "DOT": DOT,
    }


def backward_constants(filters: Tensor, heads: int, projected: Tensor) -> dict[str, Any]:
    """Compile-time constants of ``tacn_sequence_gradient`` for such tensors."""
    shape = _shape(filters, heads)
    rows = max(1, _BACKWARD_BLOCK // shape.inner)
    return {**_constants(shape, projected), "BLOCK_ROWS": rows}


_TRITON = {
    torch.float16: tl.float16,
    torch.bfloat16: tl.bfloat16,
    torch.float32: tl.float32,
    torch.float64: tl.float64,
}


def _shape(filters: Tensor, heads: int) -> TacnShape:
    taps, width, _ = filters.shape
    return TacnShape(width, heads, taps, dilations=(1,), outputs=1)


def _new_result(projected: Tensor, bias: Tensor) -> Tensor:
    batch, time, _, width = projected.shape
    dtype = torch.promote_types(projected.dtype, bias.dtype)
    return projected.new_empty(batch, time, width, dtype=dtype)


def _sum_type(projected: Tensor) -> torch.dtype:
    return torch.promote_types(projected.dtype, torch.float32)


def _constants(shape: TacnShape, projected: Tensor) -> dict[str, Any]:
    return {
        "WIDTH": shape.width,
        "HEADS": shape.heads,
        "TAPS": shape.taps,
        "PADDED_DEPTH": shape.padded_depth,
        "PADDED_HEADS": shape.padded_heads,
        "SCALE": shape.depth**-0.5,
        "SUM": _TRITON[_sum_type(projected)],
    }
