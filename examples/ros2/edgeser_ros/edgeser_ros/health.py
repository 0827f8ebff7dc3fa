"""What a supervisor should know, as a diagnosis without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["ok", "warn", "error", "stale"]


@dataclass(slots=True)
class Health:
    """Counters of one node, and what they mean. Threads: one at a time."""

    hardware: str = ""
    """What is listened to: a topic or a device."""
    utterances: int = 0
    restarts: int = 0
    """Times that the stamps went back."""
    missed: float = 0.0
    """Seconds of sound that did not arrive."""
    refused: int = 0
    """Messages that could not be used."""
    last_error: str = ""
    seconds: float = 0.0
    """Of sound heard."""
    _told_seconds: float = field(default=0.0, repr=False)
    _told_missed: float = field(default=0.0, repr=False)
    _told_refused: int = field(default=0, repr=False)

    def heard(self, seconds: float) -> None:
        """So much sound was judged."""
        self.seconds += seconds

    def refuse(self, error: Exception) -> None:
        """A message could not be used."""
        self.refused += 1
        self.last_error = str(error)

    def diagnose(self) -> tuple[Level, str]:
        """How it went since the last diagnosis, and the reason in words."""
        fresh = self.seconds - self._told_seconds
        missed = self.missed - self._told_missed
        refused = self.refused - self._told_refused
        self._told_seconds, self._told_missed = self.seconds, self.missed
        self._told_refused = self.refused
        if refused:
            return "error", f"{refused} messages refused: {self.last_error}"
        if not fresh:
            return "stale", f"no sound from {self.hardware}"
        if missed:
            return "warn", f"{missed:.2f} s of sound are missing"
        return "ok", "listening"

    def values(self) -> dict[str, str]:
        """All counters, for people to read."""
        return {
            "seconds heard": f"{self.seconds:.1f}",
            "seconds missed": f"{self.missed:.2f}",
            "utterances": str(self.utterances),
            "messages refused": str(self.refused),
            "restarts": str(self.restarts),
            "last error": self.last_error,
        }
