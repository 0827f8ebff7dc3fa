"""How long something lasts, to whoever looks now and then and may have been frozen in between."""

from __future__ import annotations

import time


class Lasting:
    """For how long what is looked at has been the same.

    A container that is frozen, or a machine that is swapped out, stops everybody at once. Whoever
    looks first afterwards must not hold that against the others: between two looks no more than
    ``most`` seconds count, however much later the second one comes. Threads: one at a time.
    """

    __slots__ = ("_at", "_last", "_most", "_seconds")

    def __init__(self, most: float) -> None:
        self._most, self._seconds = most, 0.0
        self._last: object = None
        self._at = time.monotonic()

    def look(self, now_it_is: object) -> float:
        """Seconds for which it has been so; 0 if it was something else at the last look."""
        now = time.monotonic()
        passed, self._at = now - self._at, now
        self._seconds = self._seconds + min(passed, self._most) if now_it_is == self._last else 0.0
        self._last = now_it_is
        return self._seconds
