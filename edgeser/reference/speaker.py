"""Tokens relative to the voice heard so far: statistics of a stream's own speech, shrunk, bounded.

Between sequences only do they move; see docs/streaming.md.
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
    """What training found of voices; all (C,)."""

    mean: Floats  # of raw tokens
    deviation: Floats  # the same, above 0
    between: Floats  # variance of utterances' means, of one speaker, in units of the deviation
    neutral: Floats  # mean of neutral speech relative to a speaker's own mean
    known: Floats  # is added once the speaker is known, times the weight


class Speaker:
    """What one stream has learned of its speaker. Threads: one at a time."""

    def __init__(self, weights: SpeakerWeights, rules: SpeakerRules, *, adapt: bool) -> None:
        self.weights, self.rules, self.adapt = weights, rules, adapt
        self.forget()

    def hear(self, token: Floats) -> Floats:
        """What the TACN hears of a raw token of speech (C,); counts it for the sequence."""
        w = self.weights
        z = (token - w.mean) / w.deviation
        self.tokens += 1
        self.sum = self.sum + z
        return np.asarray(z - self.shift + self.weight * w.known)

    def end(self) -> None:
        """The sequence ended: learn of it, if it was long enough."""
        if self.adapt and self.tokens >= self.rules.shortest:
            mu = self.sum / self.tokens
            self.utterances = min(self.utterances + 1, self.rules.most)
            self.mean = self.mean + (mu - self.mean) / self.utterances
            self.square = self.square + (mu * mu - self.square) / self.utterances
        self._begin()

    def calibrate(self, mu: Floats) -> None:
        """Learn from neutral speech alone, whose mean in units of the deviation is ``mu``."""
        self.mean = mu - self.weights.neutral
        self.square = self.mean * self.mean + self.weights.between
        self.utterances = min(self.rules.calibration, self.rules.most)
        self._begin()

    def forget(self) -> None:
        """Somebody else will speak."""
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
