"""Speaker normalisation: tokens relative to a speaker's statistics, which are shrunk and bounded.

The statistics change only between sequences; see docs/streaming.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.bundle import SpeakerRules

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SpeakerWeights:
    """Statistics of speakers in the training data; all (C,)."""

    mean: Floats  # of raw tokens
    deviation: Floats  # the same, above 0
    between: Floats  # variance of the utterances' means of one speaker, in units of the deviation
    neutral: Floats  # mean of neutral speech relative to a speaker's own mean
    known: Floats  # added once the speaker is known, times the weight


class Speaker:
    """Statistics of the speaker of one stream. Threads: one at a time."""

    def __init__(self, weights: SpeakerWeights, rules: SpeakerRules, *, adapt: bool) -> None:
        self.weights, self.rules, self.adapt = weights, rules, adapt
        self.tokens = 0
        self.utterances = self.weight = 0.0
        self.sum: Floats
        self.mean: Floats
        self.square: Floats
        self.shift: Floats
        self.forget()

    def hear(self, token: Floats) -> Floats:
        """Normalises a raw token of speech (C,) for the TACN, and counts it for its sequence."""
        w = self.weights
        z = (token - w.mean) / w.deviation
        self.tokens += 1
        self.sum = self.sum + z
        return np.asarray(z - self.shift + self.weight * w.known)

    def end(self) -> None:
        """Ends the sequence: updates the statistics if it was long enough."""
        if self.adapt and self.tokens >= self.rules.shortest:
            mu = self.sum / self.tokens
            self.utterances = min(self.utterances + 1, self.rules.most)
            self.mean = self.mean + (mu - self.mean) / self.utterances
            self.square = self.square + (mu * mu - self.square) / self.utterances
        self._begin()

    def calibrate(self, mu: Floats) -> None:
        """Learns from neutral speech only, whose mean in units of the deviation is ``mu``."""
        self.mean = mu - self.weights.neutral
        self.square = self.mean * self.mean + self.weights.between
        self.utterances = min(self.rules.calibration, self.rules.most)
        self._begin()

    def forget(self) -> None:
        """Resets the statistics, for another speaker."""
        self.utterances = 0.0
        self.mean = np.zeros_like(self.weights.mean)
        self.square = np.zeros_like(self.weights.mean)
        self._begin()

    def _begin(self) -> None:
        self.tokens, self.sum = 0, np.zeros_like(self.weights.mean)
        u, rules = self.utterances, self.rules
        spread = 0.0
        if u >= 2:
            varied = np.maximum(self.square - self.mean * self.mean, 0).mean() * u / (u - 1)
            spread = min(1.0, float(varied / self.weights.between.mean()))
        self.weight = u / (u + rules.prior) * (rules.floor + (1 - rules.floor) * spread)
        self.shift = np.clip(self.weight * self.mean, -rules.bound, rules.bound)
