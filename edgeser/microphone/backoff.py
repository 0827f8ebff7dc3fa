"""Exponential backoff between retries."""

from __future__ import annotations

_FIRST, _LONGEST = 0.1, 5.0


class Backoff:
    """0.1 s, then twice as long each time, at most 5 s.

    It has no jitter, because only one program retries one microphone.
    """

    def __init__(self) -> None:
        self._next = _FIRST

    def delay(self) -> float:
        """Seconds to wait now; longer the next time."""
        delay, self._next = self._next, min(2 * self._next, _LONGEST)
        return delay

    def reset(self) -> None:
        """An attempt has succeeded."""
        self._next = _FIRST
