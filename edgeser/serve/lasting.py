"""Measures how long a condition holds, robust against frozen processes."""

from __future__ import annotations

import time


class Lasting:
    """How long a repeatedly checked condition has had the same value.

    If a container is frozen or a machine swaps, all processes stop at once. The first one to run
    again must not count that time against the others: at most ``most`` seconds count between two
    looks. Threads: one at a time.
    """

    __slots__ = ("_at", "_last", "_most", "_seconds")

    def __init__(self, most: float) -> None:
        self._most, self._seconds = most, 0.0
        self._last: object = None
        self._at = time.monotonic()

    def look(self, now_it_is: object) -> float:
        """Seconds for which the value has been the same; 0 if it just changed."""
        now = time.monotonic()
        passed, self._at = now - self._at, now
        self._seconds = self._seconds + min(passed, self._most) if now_it_is == self._last else 0.0
        self._last = now_it_is
        return self._seconds
