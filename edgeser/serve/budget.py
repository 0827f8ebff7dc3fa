"""Budgets that refill as time passes."""

from __future__ import annotations

import time


class Budget:
    """So much a second, and so much at once.

    Who takes more than there is owes it, and is told how long to wait. Nothing is saved up beyond
    ``burst``, however long nothing was taken. Threads: one at a time.
    """

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, time.monotonic()

    def take(self, amount: float) -> float:
        """Take an amount; seconds to wait until it is paid for, 0 if it is."""
        now = time.monotonic()
        level = self._level + (now - self._at) * self.rate
        if level > self.burst:
            level = self.burst
        self._level = level = level - amount
        self._at = now
        return 0.0 if level >= 0 else -level / self.rate

    def may_take(self, amount: float) -> bool:
        """Take an amount if it is there; whether it was. Nothing is owed."""
        self.take(0.0)
        if self._level < amount:
            return False
        self._level -= amount
        return True
