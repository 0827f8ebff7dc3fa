"""The microphone's clock: counts samples, and uses the wall clock across interruptions."""

from __future__ import annotations


class Clock:
    """Counts samples, including lost ones.

    While sound flows, the device's own crystal is the clock: no drift is corrected, nothing is
    guessed. Across a break, what is missing is the time on the wall from the last chunk before it
    to the first one after it, less what that one brings.

    Args:
        rate: Hz.
        now: seconds on a monotonic clock, at which recording begins.
    """

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self.position = 0
        """Samples per channel since recording began."""
        self.heard = now
        """When a chunk last came, on the monotonic clock."""

    @property
    def time(self) -> float:
        """Seconds since recording began."""
        return self.position / self.rate

    def missing(self, now: float, samples: int) -> int:
        """Samples lost in a break that a chunk of ``samples``, come at ``now``, has ended."""
        return max(0, round((now - self.heard) * self.rate) - samples)

    def advance(self, now: float, samples: int) -> None:
        """Count ``samples`` that came, or are known to be missing, until ``now``."""
        self.position += samples
        self.heard = now
