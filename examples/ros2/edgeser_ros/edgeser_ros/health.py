"""Diagnostics of the node, without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["ok", "warn", "error", "stale"]


@dataclass(slots=True)
class Health:
    """Counters of one node, and a diagnosis from them. Threads: one at a time."""

    hardware: str = ""
    """The source of audio: a topic or a device."""
    utterances: int = 0
    restarts: int = 0
    """How often the stamps went back."""
    missed: float = 0.0
    """Seconds of missing audio."""
    refused: int = 0
    """Invalid messages."""
    last_error: str = ""
    seconds: float = 0.0
    """Seconds of processed audio."""
    _told_seconds: float = field(default=0.0, repr=False)
    _told_missed: float = field(default=0.0, repr=False)
    _told_refused: int = field(default=0, repr=False)

    def heard(self, seconds: float) -> None:
        """Adds processed audio."""
        self.seconds += seconds

    def refuse(self, error: Exception) -> None:
        """Counts an invalid message."""
        self.refused += 1
        self.last_error = str(error)

    def diagnose(self) -> tuple[Level, str]:
        """The level since the last diagnosis, and its reason."""
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
        """All counters as text."""
        return {
            "seconds heard": f"{self.seconds:.1f}",
            "seconds missed": f"{self.missed:.2f}",
            "utterances": str(self.utterances),
            "messages refused": str(self.refused),
            "restarts": str(self.restarts),
            "last error": self.last_error,
        }
