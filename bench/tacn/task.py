"""The common task: one token per stream through eight layers, with cached Q, K and V.

Peers get the best form that we know: weights packed side by side, the output projection folded into
the taps, and only the required taps, which the caller keeps in one ring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeser.reference.kernels import TacnWeights
from edgeser.reference.random_weights import tacn_weights

Floats = npt.NDArray[np.float32]
LAYERS, TAPS, HEADS, OUTPUTS = 8, 3, 8, 5
DILATIONS = tuple(2**n for n in range(LAYERS))
WARM_UP = 1 + (TAPS - 1) * sum(DILATIONS)
"""Number of steps after which the start has no influence: the receptive field."""


def weights(width: int) -> TacnWeights:
    """Random weights, float32."""
    return tacn_weights(width, HEADS, TAPS, DILATIONS, OUTPUTS).astype(np.float32)


@dataclass(frozen=True)
class Folded:
    """The weights in the peers' form."""

    projection: Floats
    """(N, C, 3C)"""
    convolution: Floats
    """(N, k * C, C), newest tap first, the output projection folded in."""
    bias: Floats
    head_weight: Floats
    head_bias: Floats

    @staticmethod
    def of(w: TacnWeights) -> Folded:
        """Folds the weights."""
        projection = np.concatenate([w.query, w.key, w.value], axis=-1)
        folded = np.einsum("nij,ntjk->ntik", w.output.astype(float), w.taps.astype(float))
        n, k, c, _ = folded.shape
        convolution = folded.reshape(n, k * c, c).astype(np.float32)
        return Folded(projection, convolution, w.bias, w.head_weight, w.head_bias)


def tokens(batch: int, width: int) -> Floats:
    """One token for each of the streams."""
    return np.random.default_rng(1).standard_normal((batch, width)).astype(np.float32)


class Rings:
    """The caller's side of a peer: positions of the taps; all layers' rings in one array."""

    def __init__(self) -> None:
        self.slots = np.array([(TAPS - 1) * d for d in DILATIONS])
        self.first = np.concatenate([[0], np.cumsum(self.slots)[:-1]])
        self.back = np.array([[i * d for i in range(1, TAPS)] for d in DILATIONS])
        self.total = int(self.slots.sum())
        self.position = 0

    def past(self) -> npt.NDArray[np.int64]:
        """(N, k - 1): rows of the next step's taps, newest first."""
        rows = self.first[:, None] + (self.position - self.back) % self.slots[:, None]
        return np.asarray(rows, np.int64)

    def newest(self) -> npt.NDArray[np.int64]:
        """(N,): rows for the next step's token; advances the rings."""
        rows = np.asarray(self.first + self.position % self.slots, np.int64)
        self.position += 1
        return rows
