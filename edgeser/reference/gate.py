"""The speech gate: a score from a token and the few tokens before it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class GateWeights:
    """Weights for M tokens of memory, tokens of width C, and H hidden units."""

    weight: Floats  # (M + 1, C, H); the i-th is for the token i hops ago
    bias: Floats  # (H,)
    out: Floats  # (H,)
    out_bias: Floats  # (1,)


class Gate:
    """The gate of one stream. It remembers the last M raw tokens, speech or not.

    Threads: one at a time.
    """

    def __init__(self, weights: GateWeights) -> None:
        self.weights = weights
        self._earlier: deque[Floats] = deque(maxlen=len(weights.weight) - 1)

    def score(self, token: Floats) -> float:
        """Speech score in [0, 1] of the next token (C,). Tokens before the start add nothing."""
        w = self.weights
        heard = [token, *reversed(self._earlier)]
        hidden = w.bias + sum(x @ w.weight[i] for i, x in enumerate(heard))
        self._earlier.append(token)
        logit = float(w.out @ np.maximum(hidden, 0) + w.out_bias[0])
        return float(1 / (1 + np.exp(-logit)))

    def forget(self) -> None:
        """Clears the memory, as digital silence does."""
        self._earlier.clear()
