"""What everyone computes: the nearest of 512 codes; with 16 of them and the deep features, a token.

The sizes are the default model's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeser.kernels.reference import VQFusionWeights

Floats = npt.NDArray[np.float32]
CODES, CODE_WIDTH, POSITIONS, DEEP, WIDTH = 512, 64, 16, 96, 64


def _normal(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def weights(positions: int, deep: int, width: int) -> VQFusionWeights:
    """Random weights, float32."""
    flat = positions * CODE_WIDTH
    return VQFusionWeights(
        codebook=_normal(0, CODES, CODE_WIDTH),
        deep_weight=_normal(1, deep, width) / np.float32(np.sqrt(deep)),
        latent_weight=_normal(2, flat, width) / np.float32(np.sqrt(flat)),
        bias=_normal(3, width),
    )


def inputs(rows: int, positions: int, deep: int) -> tuple[Floats, Floats]:
    """Deep features (rows, F) and latent vectors (rows, P, D)."""
    return _normal(4, rows, deep), _normal(5, rows, positions, CODE_WIDTH)
