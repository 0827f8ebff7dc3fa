"""Audio messages in, stamped events out: all of the node's logic, without ROS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import edgeser
from edgeser_ros.clock import SECOND, AudioClock
from edgeser_ros.health import Health
from edgeser_ros.pcm import PcmReader
from edgeser_ros.settings import Settings

HEARD_GAP = 2.0
"""Maximum seconds of silence that replace missing audio; longer gaps are skipped."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event, or a frame, on the robot's clock."""

    event: edgeser.SpeechStarted | edgeser.Utterance | edgeser.EmotionFrame
    begin: int
    """Nanoseconds: the start of the speech; for a frame, its last sample."""
    end: int
    """Nanoseconds: the end of the speech; otherwise the same as ``begin``."""


class Ears:
    """Processes one source of audio. Threads: one at a time.

    Args:
        model: the model.
        settings: of the node.
        health: counts audio, gaps and errors.
        sample_rate: of the source in Hz, if it differs from the settings, as for a microphone.

    Raises:
        AudioError: the settings cannot be used with this model.
        MissingExtraError: the detector is not installed.
    """

    def __init__(
        self,
        model: edgeser.Model,
        settings: Settings,
        health: Health,
        sample_rate: int | None = None,
    ) -> None:
        self._model, self._settings, self._health = model, settings, health
        self._rate = sample_rate or settings.sample_rate
        self._pcm = PcmReader(settings.sample_format, settings.channels)
        self._clock = AudioClock(self._rate, settings.gap)
        self._frames: list[edgeser.EmotionFrame] = []
        self._started: tuple[float, int] | None = None
        self._utterances = self._fresh()

    def hear_bytes(self, data: bytes, stamp: int, *, exact: bool) -> list[Stamped]:
        """Processes a message and returns its events.

        Invalid audio is counted as an error and replaced by silence. A message that is not PCM is
        only counted.

        Args:
            data: interleaved PCM in the format of the settings; may end within a sample.
            stamp: nanoseconds; of the first byte if ``exact``, else of the arrival of the last.
            exact: whether the source gave the stamp.
        """
        try:
            self._pcm.check(data)
        except edgeser.AudioError as error:
            self._health.refuse(error)
            return []
        second = self._settings.frame_bytes * self._rate
        # The rest of the last message was recorded before these bytes.
        before = self._pcm.carried + (0 if exact else len(data))
        told = self._reach(stamp - before * SECOND // second, exact=exact)
        return told + self._hear(self._pcm.read(data))

    def hear(self, samples: npt.NDArray[Any], stamp: int, *, exact: bool) -> list[Stamped]:
        """The same for samples, (n,) or (n, channels); ``stamp`` is that of the first one."""
        return self._reach(stamp, exact=exact) + self._hear(samples)

    def lose(self, seconds: float) -> list[Stamped]:
        """The source reports lost audio before its next samples."""
        self._clock.skip(seconds)
        return self._miss(seconds)

    def flush(self) -> list[Stamped]:
        """Ends the stream, and the current utterance, if any."""
        return self._end()

    def _reach(self, stamp: int, *, exact: bool) -> list[Stamped]:
        """Advances the stream to the time of the next sample."""
        step = self._clock.arrive(stamp, exact=exact)
        if step.again:
            self._health.restarts += 1
            told = self._end()
            self._clock.arrive(stamp, exact=exact)
            return told
        return self._miss(step.missed) if step.missed else []

    def _hear(self, samples: npt.NDArray[Any]) -> list[Stamped]:
        if not len(samples):
            return []
        seconds = len(samples) / self._rate
        try:
            events = self._utterances.process(samples)
        except edgeser.EdgeserError as error:
            self._health.refuse(error)
            return self.lose(seconds)
        self._clock.count(len(samples))
        self._health.heard(seconds)
        return self._told(events)

    def _miss(self, seconds: float) -> list[Stamped]:
        """Replaces missing audio by silence, up to HEARD_GAP."""
        self._health.missed += seconds
        self._pcm.forget()
        audible = min(seconds, HEARD_GAP)
        self._utterances.skip(seconds - audible)
        silence = np.zeros(round(audible * self._rate), np.int16)
        return self._told(self._utterances.process(silence))

    def _end(self) -> list[Stamped]:
        told = self._told(self._utterances.flush())
        self._pcm.forget()
        self._clock.restart()
        self._utterances = self._fresh()
        return told

    def _fresh(self) -> edgeser.Utterances:
        self._started = None
        settings = self._settings
        return edgeser.Utterances(
            self._model,
            self._rate,
            settings.rules,
            detector=edgeser.Silero() if settings.detector == "silero" else None,
            on_frame=self._frames.append,
        )

    def _told(self, events: Iterable[edgeser.UtteranceEvent]) -> list[Stamped]:
        """Frames come before the events that they lead to."""
        frames = [self._frame(frame) for frame in self._frames]
        self._frames.clear()
        return [*frames, *self._stamped(events)]

    def _frame(self, frame: edgeser.EmotionFrame) -> Stamped:
        at = self._clock.stamp(frame.time)
        return Stamped(frame, at, at)

    def _stamped(self, events: Iterable[edgeser.UtteranceEvent]) -> Iterator[Stamped]:
        for event in events:
            if isinstance(event, edgeser.SpeechStarted):
                self._started = (event.time, self._clock.stamp(event.time))
                yield Stamped(event, self._started[1], self._started[1])
            elif isinstance(event, edgeser.Utterance):
                begin = self._clock.stamp(event.start)
                if self._started is not None and self._started[0] == event.start:
                    begin = self._started[1]  # the very stamp that was published
                self._health.utterances += 1
                yield Stamped(event, begin, self._clock.stamp(event.end))
