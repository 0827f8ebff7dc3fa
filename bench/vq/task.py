"""The common task: the nearest of 512 codes; 16 of them and the deep features make a token.

The sizes are the default model's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeser.reference.kernels import VQFusionWeights
from edgeser.reference.random_weights import vq_weights

Floats = npt.NDArray[np.float32]
CODES, CODE_WIDTH, POSITIONS, DEEP, WIDTH = 512, 64, 16, 96, 64


def weights(positions: int, deep: int, width: int) -> VQFusionWeights:
    """Random weights, float32."""
    return vq_weights(CODES, CODE_WIDTH, positions, deep, width).astype(np.float32)


def inputs(rows: int, positions: int, deep: int) -> tuple[Floats, Floats]:
    """Deep features (rows, F) and latent vectors (rows, P, D)."""
    normal = np.random.default_rng(1).standard_normal
    return (
        normal((rows, deep)).astype(np.float32),
        normal((rows, positions, CODE_WIDTH)).astype(np.float32),
    )
