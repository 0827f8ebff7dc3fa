"""The audio's clock: which moment of the robot's time a sample was."""

from __future__ import annotations

from dataclasses import dataclass

SECOND = 1_000_000_000
_FOLLOW = 0.02  # of a difference, a message: crystals drift by 0.1 ms a second at most


@dataclass(frozen=True, slots=True)
class Step:
    """What to do before the samples of a message are heard."""

    missed: float = 0.0
    """Seconds that lie between the last message and this one and were not heard."""
    again: bool = False
    """The stamps went back (a bag that begins again, a simulation): end the stream, begin anew."""


class AudioClock:
    """Counts samples, and holds them against the stamps of messages.

    Samples alone are an even clock of unknown offset and slight drift; stamps are the robot's time
    with jitter. The offset follows the stamps slowly, and jumps where sound is missing.

    Args:
        sample_rate: Hz.
        gap: seconds between two messages above which sound is missing; below, it is jitter.
    """

    def __init__(self, sample_rate: int, gap: float = 0.25) -> None:
        self._rate, self._gap = sample_rate, gap
        self._samples = 0
        self._skipped = 0.0
        self._offset: float | None = None  # nanoseconds at position 0

    @property
    def position(self) -> float:
        """Seconds of the stream so far, missed ones counted."""
        return self._samples / self._rate + self._skipped

    def arrive(self, stamp: int, *, exact: bool) -> Step:
        """A message comes whose first sample was at ``stamp``, in nanoseconds.

        ``exact`` is for stamps of the source; others are of the arrival, which says little: only
        what comes far too late is taken for missing, and nothing goes back.
        """
        if self._offset is None:
            self._offset = float(stamp) - self.position * SECOND
            return Step()
        off = (stamp - self._offset) / SECOND - self.position
        gap = self._gap if exact else max(1.0, self._gap)
        if off > gap:
            self._skipped += off
            return Step(missed=off)
        if off < -gap and exact:
            return Step(again=True)
        if off < -gap:  # what was taken for missing was late
            self._offset += off * SECOND
        else:
            self._offset += _FOLLOW * off * SECOND
        return Step()

    def count(self, samples: int) -> None:
        """So many samples were heard."""
        self._samples += samples

    def skip(self, seconds: float) -> None:
        """So much time passed unheard."""
        self._skipped += seconds

    def stamp(self, position: float) -> int:
        """Nanoseconds of the robot's time of a position in the stream, in seconds."""
        return round((self._offset or 0.0) + position * SECOND)

    def restart(self) -> None:
        """The stream begins anew, at position 0."""
        self._samples, self._skipped, self._offset = 0, 0.0, None
