"""Rounds in which all contestants take turns, and the medians of their ratios.

On a machine that is shared, or whose clock rate varies, single figures mean little, and two
successive ones less. So every contestant is timed in every round, and disturbances affect
neighbours equally; ratios are taken within a round, and the median over rounds counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Timed = Callable[[], float]
"""Times itself once: seconds per call."""


@dataclass(frozen=True)
class Rounds:
    """Seconds per call, by contestant and round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Median over rounds of one contestant's seconds per call."""
        return float(np.median(self.seconds[name]))

    def ratio(self, over: str, under: str, factor: float = 1.0) -> float:
        """Median over rounds of the ratio of ``over``'s to ``under``'s time."""
        pairs = zip(self.seconds[over], self.seconds[under], strict=True)
        return float(np.median([factor * a / b for a, b in pairs]))

    def best_of(self, names: Sequence[str]) -> str:
        """The contestant with the lowest median."""
        return min(names, key=self.median)


def take_turns(
    contestants: Mapping[str, Timed],
    rounds: int,
    after: Callable[[Rounds], object] = lambda _: None,
) -> Rounds:
    """Times everyone once per round, after a warm-up round.

    ``after`` is called with the results after each round.
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
    """Seconds per call: the mean over as many calls as take ``at_least`` seconds.

    This is CPU time of this process, which excludes other processes; with ``wall`` it is elapsed
    time, which shows whether threads run in parallel.
    """
    clock = time.perf_counter if wall else time.process_time
    call()  # the previous contestant has filled the caches
    calls, batch, began = 0, 1, clock()
    while True:
        for _ in range(batch):
            call()
        calls += batch
        passed = clock() - began
        if passed >= at_least:
            return passed / calls
        batch = min(2 * batch, 64)
