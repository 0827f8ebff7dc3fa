"""Maps positions in the audio stream to the robot's clock."""

from __future__ import annotations

from dataclasses import dataclass

SECOND = 1_000_000_000
_FOLLOW = 0.02  # share of a difference per message: clocks drift by at most 0.1 ms per second


@dataclass(frozen=True, slots=True)
class Step:
    """What to do before the samples of a message are processed."""

    missed: float = 0.0
    """Seconds of lost audio between the last message and this one."""
    again: bool = False
    """The stamps went back (a bag or simulation was restarted): end the stream, start a new one."""


class AudioClock:
    """Counts samples, and compares them with the stamps of messages.

    Samples are a steady clock with an unknown offset and a slight drift; stamps are the robot's
    time with jitter. The offset follows the stamps slowly, and jumps where audio is missing.

    Args:
        sample_rate: Hz.
        gap: a longer gap between two messages, in seconds, is missing audio; a shorter one, jitter.
    """

    def __init__(self, sample_rate: int, gap: float = 0.25) -> None:
        self._rate, self._gap = sample_rate, gap
        self._samples = 0
        self._skipped = 0.0
        self._offset: float | None = None  # nanoseconds at position 0

    @property
    def position(self) -> float:
        """Length of the stream so far in seconds, including missing audio."""
        return self._samples / self._rate + self._skipped

    def arrive(self, stamp: int, *, exact: bool) -> Step:
        """Call this for each message; ``stamp`` is the time of its first sample in nanoseconds.

        If ``exact``, the stamp is the source's. Otherwise it is the time of arrival, which is
        inaccurate: only a delay of a second or more counts as missing audio, and the clock never
        goes back.
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
        if off < -gap:  # audio that counted as missing was only late
            self._offset += off * SECOND
        else:
            self._offset += _FOLLOW * off * SECOND
        return Step()

    def count(self, samples: int) -> None:
        """Adds processed samples."""
        self._samples += samples

    def skip(self, seconds: float) -> None:
        """Adds missing audio, in seconds."""
        self._skipped += seconds

    def stamp(self, position: float) -> int:
        """The robot's time in nanoseconds of a position in the stream in seconds."""
        return round((self._offset or 0.0) + position * SECOND)

    def restart(self) -> None:
        """Starts a new stream, at position 0."""
        self._samples, self._skipped, self._offset = 0, 0.0, None
