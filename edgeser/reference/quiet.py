"""Skips the front end for hops that sound like the silence before them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.reference.front_end import power_spectrum

Floats = npt.NDArray[np.floating[Any]]

FACTOR, MOST_PASSED, PARTS = 2.0, 15, 4
FIRST_BINS = (1, 3, 5, 8, 12, 18, 26, 40)
"""First bin of each band, in bins of 125 Hz; the last band extends to the end."""


@dataclass(frozen=True)
class Impression:
    """Power in each band of a hop: of its loudest part, and on average."""

    loudest: Floats  # (bands,)
    mean: Floats  # (bands,)


class Quiet:
    """The rule for one stream. Threads: one at a time.

    Args:
        sample_rate, segment, hop: of the model.
        memory: number of earlier tokens that the gate's score depends on.
    """

    def __init__(self, sample_rate: int, segment: int, hop: int, memory: int) -> None:
        self._window = min(sample_rate // 125, segment) // 8 * 8
        self._span = min(segment, max(self._window, hop + self._window // 2))
        self._enough = memory + 1
        self.forget()

    def forget(self) -> None:
        """Forgets all refused hops."""
        self._refused: list[Impression] = []
        self._passed, self.speech, self.level = 0, 0.0, 0.0

    def passes(self, segment: Floats) -> bool:
        """Whether the newest hop of a segment can be skipped."""
        if len(self._refused) < self._enough or self._passed >= MOST_PASSED:
            return False
        if not self._sounds_alike(self.listen(segment)):
            return False
        self._passed += 1
        return True

    def refuse(self, segment: Floats, speech: float, level: float) -> None:
        """Notes that the gate refused the newest hop of a segment."""
        hop = self.listen(segment)
        if self._refused and not self._sounds_alike(hop):
            self._refused = []
        self._passed, self.speech, self.level = 0, speech, level
        if len(self._refused) < self._enough:
            self._refused.append(hop)
            if len(self._refused) == self._enough > 1:
                self._passed = self._first_passed(segment)

    def listen(self, segment: Floats) -> Impression:
        """The power by band of the newest hop of a segment."""
        power = power_spectrum(segment[-self._span :], self._window, self._window // 2)
        ends = (*FIRST_BINS[1:], power.shape[1] + 1)
        edges = zip(FIRST_BINS, ends, strict=True)
        bands = np.stack([power[:, a - 1 : b - 1].sum(1) for a, b in edges], axis=1)
        cuts = [part * len(bands) // PARTS for part in range(PARTS + 1)]
        means = [bands[a:b].mean(0) for a, b in pairwise(cuts)]
        return Impression(np.max(means, axis=0), bands.mean(0))

    def _first_passed(self, segment: Floats) -> int:
        rising = np.count_nonzero(np.diff(segment[-self._span :]) > 0)
        return int(rising) % (MOST_PASSED + 1)

    def _sounds_alike(self, hop: Impression) -> bool:
        loudest = np.max([one.loudest for one in self._refused], axis=0)
        softest = np.min([one.mean for one in self._refused], axis=0)
        return bool(
            (hop.loudest <= FACTOR * loudest).all() and (hop.mean * FACTOR >= softest).all()
        )
