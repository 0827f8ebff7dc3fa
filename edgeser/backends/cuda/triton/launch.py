"""What is fixed when a kernel is compiled, ahead of time or when it is first called.

Needs no Triton.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgeser.backends.cuda.front_end_shape import BLOCK_COLUMNS, BLOCK_DEPTH
from edgeser.backends.cuda.shapes import TacnShape, VQShape, padded
from edgeser.errors import BackendError

Constants = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Streams that a program steps, and the warps that it has for that."""

    block_rows: int
    warps: int


CONFIGURATIONS = {
    "vq_fusion": (Configuration(1, 4), Configuration(16, 8)),
    "tacn_step": (Configuration(1, 8), Configuration(16, 8), Configuration(32, 8)),
    "spectrum": (Configuration(16, 4), Configuration(32, 4)),
    "running_level": (Configuration(1, 8),),
    "convolution": (Configuration(16, 4), Configuration(32, 4)),
}
"""Fewest rows first: one stream as soon as possible, or many for one reading of the weights."""

ALWAYS = 16
"""Rows per program. Configurations with more are compiled only if their values fit registers."""

AT_ONCE = 6 * 64 * 64
"""Weights that 256 threads hold beside everything else, in 96 registers of each."""

LARGEST_WIDTH = 128
"""Of tokens and of codes. A block of wider ones does not fit the registers of a program."""


def check_widths(tacn: TacnShape, vq: VQShape) -> None:
    """Raises BackendError if the blocks of a model are wider than :data:`LARGEST_WIDTH`."""
    for what, width in (
        ("tokens", tacn.columns),
        ("heads", tacn.inner),
        ("codes", vq.code_columns),
    ):
        if width > LARGEST_WIDTH:
            raise BackendError(
                f"the GPU kernels support blocks of up to {LARGEST_WIDTH} columns, but the {what} "
                f"of this model need {width}: run it on the CPU"
            )


STAGES = 2
"""Tiles in flight: three spill registers, and need more shared memory than desktop cards have."""


_STAGES = {"spectrum": 4, "convolution": 5}
"""Of kernels with small tiles, which wait for memory: of a convolution twice for each tile, for its
place and for it."""

_LEVEL_BLOCK = 1024
"""Values of a view that a program has at a time."""


def stages(kernel: str) -> int:
    """Tiles in flight of a kernel."""
    return _STAGES.get(kernel, STAGES)


def front_end_constants(kernel: str, block_rows: int) -> Constants:
    """The constants of ``spectrum``, ``running_level`` and ``convolution``: of no model."""
    if kernel == "running_level":
        return {"BLOCK": _LEVEL_BLOCK}
    return {
        "BLOCK_ROWS": block_rows,
        "BLOCK_COLUMNS": BLOCK_COLUMNS,
        "BLOCK_DEPTH": BLOCK_DEPTH,
        "DOT": DOT,
    }


def tacn_constants(shape: TacnShape, block_rows: int) -> Constants:
    """The constants of ``tacn_step``."""
    return {
        "WIDTH": shape.width,
        "HEADS": shape.heads,
        "TAPS": shape.taps,
        "LAYERS": shape.layers,
        "OUTPUTS": shape.outputs,
        "COLUMNS": shape.columns,
        "PADDED_DEPTH": shape.padded_depth,
        "PADDED_HEADS": shape.padded_heads,
        "PADDED_OUTPUTS": shape.padded_outputs,
        "PERIOD": shape.period,
        "REACH": shape.reach,
        "BLOCK_BYTES": shape.block_bytes,
        "SCALE": 1 / math.sqrt(shape.depth),
        "BLOCK_ROWS": block_rows,
        "AT_ONCE": AT_ONCE,
        "DOT": DOT,
    }


def vq_constants(shape: VQShape, block_rows: int) -> Constants:
    """The constants of ``vq_fusion``."""
    # So many vectors at a time that a matrix product is filled, and registers suffice.
    vectors = 64 if shape.columns <= 64 else 32
    positions = min(padded(shape.positions), max(1, vectors // block_rows))
    return {
        "CODES": shape.codes,
        "CODE_WIDTH": shape.code_width,
        "POSITIONS": shape.positions,
        "DEEP_WIDTH": shape.deep_width,
        "TOKEN_WIDTH": shape.token_width,
        "PADDED_CODES": shape.padded_codes,
        "CODE_COLUMNS": shape.code_columns,
        "PADDED_DEEP": shape.padded_deep,
        "COLUMNS": shape.columns,
        "CODE_BLOCK": shape.code_block,
        "DEEP_BLOCK": shape.deep_block,
        "POSITION_BLOCK": max(positions, 16 // block_rows),
        "BLOCK_ROWS": block_rows,
        "DOT": DOT,
    }


DOT = "tf32x3"
"""How blocks of float32 are multiplied: on tensor cores, each factor in two parts of 11 bits. With
the truncated sums of tensor cores this is as good as sums in float32, by ``tests/kernels`` and
``docs/guides/gpu.md``. Plain multiply-adds ("ieee") need more registers than there are."""
