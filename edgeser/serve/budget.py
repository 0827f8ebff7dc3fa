"""Rate limits: budgets that refill over time."""

from __future__ import annotations

import time


class Budget:
    """A token bucket: a rate per second, and a burst.

    Taking more than is there makes a debt, and ``take`` returns how long to wait for it. No more
    than ``burst`` is ever saved up. Threads: one at a time.
    """

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, time.monotonic()

    def take(self, amount: float) -> float:
        """Takes an amount; returns seconds to wait until it is paid for, 0 if it is already."""
        now = time.monotonic()
        level = self._level + (now - self._at) * self.rate
        if level > self.burst:
            level = self.burst
        self._level = level = level - amount
        self._at = now
        return 0.0 if level >= 0 else -level / self.rate

    def may_take(self, amount: float) -> bool:
        """Takes an amount only if it is there; returns whether it was. Makes no debt."""
        self.take(0.0)
        if self._level < amount:
            return False
        self._level -= amount
        return True
