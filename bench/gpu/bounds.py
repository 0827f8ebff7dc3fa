"""The hardware's limits: this GPU's speed of copies and products, and the kernels' demand."""

from __future__ import annotations

import torch

from bench.gpu.clock import Work, recorded
from bench.gpu.plan import COPY, PRODUCT
from edgeser.backends.cuda.shapes import TacnShape, VQShape


def bounds(
    device: torch.device, copied: int = 1 << 30, side: int = 8192
) -> dict[str, tuple[Work, float]]:
    """Work that only copies or multiplies, with its bytes or FLOPs per call."""
    source = torch.randn(copied // 8, device=device)  # half is read, half is written
    target = torch.empty_like(source)
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    result = torch.empty_like(a)
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        product = recorded(lambda: torch.mm(a, b, out=result), device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    return {
        COPY: (recorded(lambda: target.copy_(source), device), 8.0 * source.numel()),
        PRODUCT: (product, 2.0 * side**3),
    }


def tacn_work(shape: TacnShape, streams: int) -> dict[str, float]:
    """Minimum bytes and FLOPs of a step: older taps in, newest out, matrix products."""
    c, n, k = shape.width, shape.layers, shape.taps
    a_stream = 4 * (n * k * 3 * c + c + shape.outputs) + 2 * 8 + 4
    weights = 4 * (n * (3 + k) * c * c + n * c + c * shape.outputs)
    flops = 2 * (n * (3 + k) * c * c + c * shape.outputs)
    return {"bytes": float(streams * a_stream + weights), "flops": float(streams * flops)}


def vq_work(shape: VQShape, tokens: int) -> dict[str, float]:
    """Minimum bytes and FLOPs of a lookup with its fusion."""
    vectors, d, k = shape.positions, shape.code_width, shape.codes
    a_token = 4 * (vectors * d + shape.deep_width + vectors + shape.token_width)
    weights = 4 * (k * d + shape.deep_width * shape.token_width + vectors * k * shape.token_width)
    flops = 2 * (vectors * d * k + shape.deep_width * shape.token_width)
    return {"bytes": float(tokens * a_token + weights), "flops": float(tokens * flops)}
