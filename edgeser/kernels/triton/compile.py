"""Compile the kernels for any GPU, on a machine that needs none."""

from __future__ import annotations

from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from edgeser.bundle import Manifest
from edgeser.gpu.shapes import tacn_shape, vq_shape
from edgeser.kernels.triton.launch import (
    STAGES,
    Configuration,
    Constants,
    tacn_constants,
    vq_constants,
)
from edgeser.kernels.triton.tacn_step import tacn_step
from edgeser.kernels.triton.vq_fusion import vq_fusion

TARGETS = (80, 86, 87, 89, 90, 100, 120)
"""Compute capabilities, times ten: Ampere, Jetson Orin (87), Ada, Hopper, Blackwell."""
KERNELS = {"tacn_step": tacn_step, "vq_fusion": vq_fusion}
_INTEGERS = {"count": "i32", "rows": "*i32", "layers": "*i32", "codes": "*i32"}


def constants(kernel: str, manifest: Manifest, block_rows: int) -> Constants:
    """What is fixed when ``kernel`` is compiled for the model of a manifest."""
    if kernel == "tacn_step":
        return tacn_constants(tacn_shape(manifest), block_rows)
    return vq_constants(vq_shape(manifest), block_rows)


def compiled(kernel: str, manifest: Manifest, chosen: Configuration, target: int) -> Any:
    """Triton's compiled kernel in float32, with its ``asm["cubin"]`` and ``metadata``."""
    function = KERNELS[kernel]
    fixed = constants(kernel, manifest, chosen.block_rows)
    signature = {
        name: "constexpr" if name in fixed else _INTEGERS.get(name, "*fp32")
        for name in function.arg_names
    }
    return triton.compile(
        ASTSource(function, signature=signature, constexprs=dict(fixed)),
        target=GPUTarget("cuda", target, 32),
        options={"num_warps": chosen.warps, "num_stages": STAGES},
    )
