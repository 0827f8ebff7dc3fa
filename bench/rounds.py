"""Rounds in which all take turns, and what to read from them: the medians of ratios.

On a machine that others use too, or whose clock wanders, one figure means little and two taken one
after the other less. Here everything is timed in every round, so whatever happens to one contestant
happens to its neighbour; a ratio is taken within a round, and the median over rounds counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Timed = Callable[[], float]
"""Times itself once: seconds a call."""


@dataclass(frozen=True)
class Rounds:
    """Seconds a call, by contestant and round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Seconds a call of one contestant, the median over rounds."""
        return float(np.median(self.seconds[name]))

    def ratio(self, over: str, under: str, factor: float = 1.0) -> float:
        """The median over rounds of how many times as long ``over`` takes as ``under``."""
        pairs = zip(self.seconds[over], self.seconds[under], strict=True)
        return float(np.median([factor * a / b for a, b in pairs]))

    def best_of(self, names: Sequence[str]) -> str:
        """Which of the contestants has the lowest median."""
        return min(names, key=self.median)


def take_turns(
    contestants: Mapping[str, Timed],
    rounds: int,
    after: Callable[[Rounds], object] = lambda _: None,
) -> Rounds:
    """Time everyone once a round, after one round that warms up and does not count.

    ``after`` is told what there is after each round that counts.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, timed in contestants.items():
            once = timed()
            if turn:
                seconds[name].append(once)
        if turn:
            after(Rounds(seconds))
    return Rounds(seconds)


def timed(call: Callable[[], object], at_least: float = 0.004, wall: bool = False) -> float:
    """Seconds a call: the mean over as many calls as take ``at_least`` seconds.

    Of the processor's work for this process, so that what others do meanwhile does not count; with
    ``wall`` of the clock on the wall, which alone sees that threads work side by side.
    """
    clock = time.perf_counter if wall else time.process_time
    call()  # whoever had the turn before left the caches full of something else
    calls, batch, began = 0, 1, clock()
    while True:
        for _ in range(batch):
            call()
        calls += batch
        passed = clock() - began
        if passed >= at_least:
            return passed / calls
        batch = min(2 * batch, 64)
