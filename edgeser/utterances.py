"""Speech between two silences: where an utterance begins, where it ends, and what it was.

The model's own speech score decides, with a little patience at both ends. State is let go between
utterances, so that an endless stream is as good in its tenth hour as in its first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgeser.audio.chunk import to_mono
from edgeser.bundle import Thresholds
from edgeser.detection import DetectedStream, SpeechDetector
from edgeser.errors import AudioError
from edgeser.model import Model
from edgeser.results import EmotionFrame, Verdict
from edgeser.stream import Stream
from edgeser.verdict import add_to, conclude


@dataclass(frozen=True, slots=True)
class Endpointing:
    """When an utterance begins and ends. Every length is in seconds and is rounded to hops.

    These rules go by a score of speech. The model's own, the default, suits a close microphone in a
    quiet place; in noise it takes much for speech that is none. Elsewhere let
    :class:`edgeser.Silero` score, as the ``detector`` of whoever takes these rules.
    """

    speech: float | None = None
    """Speech score in (0, 1) at which a frame is speech.

    None for the bundle's threshold, or that of the speech detector in use.
    """
    onset: float = 0.25
    """So much speech without a gap begins an utterance: a click or a cough does not."""
    hangover: float = 0.9
    """So much silence ends it: a pause between two words does not."""
    longest: float = 30.0
    """An utterance is ended here even if nobody pauses; the next goes on from there."""
    reset: bool = True
    """Forget everything when an utterance ends, so that the next is judged by itself.

    False keeps the stream's memory (``model.receptive_field`` seconds): the verdicts are of the
    utterances all the same, but what was said before colours how each is heard.
    """

    def __post_init__(self) -> None:
        """Raises AudioError for values that no endpointing can work with."""
        if self.speech is not None and not 0 < self.speech < 1:
            raise AudioError(f"the speech threshold is {self.speech}: it lies between 0 and 1")
        for name in ("onset", "hangover", "longest"):
            length = getattr(self, name)
            if not isinstance(length, int | float) or not length > 0:
                raise AudioError(f"{name} is {length!r} s: give a length above 0")
        if self.longest <= self.onset:
            raise AudioError(
                f"an utterance of at most {self.longest} s never begins after {self.onset} s: "
                "make longest greater than onset"
            )


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak. Comes ``Endpointing.onset`` after it happened."""

    time: float
    """Seconds since the stream began, of the start of the first frame of speech."""


@dataclass(frozen=True, slots=True)
class Emotion:
    """A frame inside an utterance."""

    frame: EmotionFrame
    """With ``time`` in seconds since the stream began."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Somebody stopped speaking, and this is what it was."""

    start: float
    """Seconds since the stream began."""
    end: float
    """The same, of the last speech in it."""
    verdict: Verdict
    """Of the frames from start to end."""
    timeline: tuple[EmotionFrame, ...]
    """These frames, times since the stream began."""
    ended: Literal["silence", "longest", "flush"]
    """What ended it: a silence, its length, or the end of the stream."""

    @property
    def label(self) -> str | None:
        """The verdict's."""
        return self.verdict.label


UtteranceEvent = SpeechStarted | Emotion | Utterance
Heard = tuple[list[EmotionFrame], list[UtteranceEvent]]


class Endpointer:
    """Frames of one stream in, events out: the rules alone, for who has frames already.

    ``reset_due`` says after each call whether the stream should be reset now; whoever owns the
    stream does that and calls :meth:`was_reset`. Threads: as a stream's, one at a time.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        thresholds: Thresholds,
        hop: float,
        rules: Endpointing | None = None,
    ) -> None:
        self._labels, self._hop = labels, hop
        self.rules = rules or Endpointing()
        threshold = thresholds.speech if self.rules.speech is None else self.rules.speech
        self._thresholds = thresholds._replace(speech=threshold)
        self._onset = max(1, round(self.rules.onset / hop))
        self._hangover = max(1, round(self.rules.hangover / hop))
        self._longest = max(self._onset + 1, round(self.rules.longest / hop))
        self._offset = 0.0
        self._frames: list[EmotionFrame] = []
        self._silent = 0
        self._speaking = False
        self.reset_due = False

    @staticmethod
    def of(model: Model, rules: Endpointing | None = None) -> Endpointer:
        """One for streams of a model."""
        thresholds = Thresholds(
            model.speech_threshold, model.confidence_threshold, model.shortest_verdict
        )
        return Endpointer(model.labels, thresholds, model.hop, rules)

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._speaking

    @property
    def speech_threshold(self) -> float:
        """Score at which a frame is speech."""
        return self._thresholds.speech

    @property
    def fewest_frames(self) -> int:
        """At least so many frames must still come before an utterance can end."""
        if self._speaking:
            return min(self._hangover - self._silent, self._longest - len(self._frames))
        begins_after = self._onset - len(self._frames)
        return begins_after + min(self._hangover, self._longest - self._onset)

    def timed(self, frames: Iterable[EmotionFrame]) -> list[EmotionFrame]:
        """The stream's next frames, with times since it began, whatever resets lie between."""
        return [replace(frame, time=frame.time + self._offset) for frame in frames]

    def hear(self, frames: Iterable[EmotionFrame]) -> list[UtteranceEvent]:
        """The events that these frames, the next ones of the stream, bring."""
        return [event for frame in self.timed(frames) for event in self._hear(frame)]

    def flush(self) -> list[UtteranceEvent]:
        """The stream ended: so does the utterance, if there is one."""
        return [self._end("flush")] if self._speaking else []

    def was_reset(self, at: float) -> None:
        """The stream was reset ``at`` seconds after it first began: its times are 0 again."""
        self._offset = at
        self.reset_due = False

    def skip(self, seconds: float) -> None:
        """So much time passed that the stream did not hear."""
        self._offset += seconds

    def _hear(self, frame: EmotionFrame) -> list[UtteranceEvent]:
        spoken = frame.speech >= self._thresholds.speech
        if not self._speaking:
            self._frames = [*self._frames, frame] if spoken else []
            if len(self._frames) < self._onset:
                return []
            self._speaking, self._silent = True, 0
            started = SpeechStarted(self._start())
            return [started, *(Emotion(known) for known in self._frames)]
        self._frames.append(frame)
        self._silent = 0 if spoken else self._silent + 1
        events: list[UtteranceEvent] = [Emotion(frame)]
        if self._silent >= self._hangover:
            events.append(self._end("silence"))
        elif len(self._frames) >= self._longest:
            events.append(self._end("longest"))
        return events

    def _start(self) -> float:
        return max(0.0, self._frames[0].time - self._hop)

    def _end(self, why: Literal["silence", "longest", "flush"]) -> Utterance:
        kept = self._frames[: len(self._frames) - self._silent]
        start, end = self._start(), kept[-1].time
        sums, spoken = np.zeros(1 + len(self._labels)), 0
        for frame in kept:
            if frame.speech >= self._thresholds.speech:
                spoken += 1
                add_to(sums, frame, spoken)
        verdict = conclude(
            sums,
            self._labels,
            self._thresholds,
            duration=end - start,
            speech_seconds=spoken * self._hop,
            frames=(),
        )
        self._frames, self._silent, self._speaking = [], 0, False
        self.reset_due = self.rules.reset
        return Utterance(start, end, verdict, tuple(kept), why)


class Cutter:
    """Cuts a stream into utterances, at the same samples however its chunks end.

    A reset that is due waits until the samples since the last one are whole blocks, of a quarter of
    a hop. Whoever owns the stream pushes ``room`` samples at most, then hands over what came of it.
    """

    def __init__(self, stream: Stream | DetectedStream, endpointer: Endpointer, hop: float) -> None:
        self.endpointer = endpointer
        self._stream = stream
        self._hop = hop * stream.sample_rate
        self._block = max(1, round(self._hop / 4))
        self._filled = 0
        # Whole samples, so that times are exact after any number of resets.
        self._samples = 0
        self._skipped = 0.0

    @property
    def room(self) -> int:
        """Samples that may be pushed before a reset could be due; at least 1."""
        if self.endpointer.reset_due:
            return self._block - self._filled
        # Less one: resampled hops are of a whole number of samples, not all of the same.
        surely = (self.endpointer.fewest_frames - 1) * self._hop - 1
        return self._block - self._filled + int(surely / self._block) * self._block

    def hear(self, samples: int, frames: Iterable[EmotionFrame]) -> Heard:
        """The frames that the next ``samples`` brought, timed since the start, and their events."""
        timed, events = self._heard(frames)
        self._samples += samples
        self._filled = (self._filled + samples) % self._block
        if self.endpointer.reset_due and not self._filled:
            self._stream.reset()
            self.endpointer.was_reset(self._now())
        return timed, events

    def skip(self, seconds: float) -> None:
        """So much time passes that the stream does not hear."""
        self._skipped += seconds
        self.endpointer.skip(seconds)

    def flush(self) -> Heard:
        """The same of the stream's end, after which it is fresh. Raises as the stream's flush."""
        timed, events = self._heard(self._stream.flush().frames)
        events += self.endpointer.flush()
        self.endpointer.was_reset(self._now())
        self._filled = 0
        return timed, events

    def _now(self) -> float:
        return self._samples / self._stream.sample_rate + self._skipped

    def _heard(self, frames: Iterable[EmotionFrame]) -> Heard:
        known = list(frames)
        return self.endpointer.timed(known), self.endpointer.hear(known)


def hearing(
    model: Model, sample_rate: int, rules: Endpointing | None, detector: SpeechDetector | None
) -> Stream | DetectedStream:
    """A stream whose frames carry the speech score that utterances go by."""
    if detector is None:
        return model.stream(sample_rate)
    return DetectedStream(model, sample_rate, detector, with_threshold_of(detector, rules).speech)


def with_threshold_of(detector: SpeechDetector | None, rules: Endpointing | None) -> Endpointing:
    """The rules with the detector's own threshold, unless they have one or there is none."""
    rules = rules or Endpointing()
    if detector is None or rules.speech is not None:
        return rules
    return replace(rules, speech=detector.threshold)


class Utterances:
    """A stream heard utterance by utterance.

    How the audio is cut into chunks changes no event, only when it comes. Threads: as a stream's.

    Args:
        model: judges.
        sample_rate: Hz, of the chunks.
        rules: when an utterance begins and ends.
        detector: decides what is speech, of this stream alone; None for the model's own score,
            which :class:`Endpointing` says when not to use.
        on_frame: called with every frame, also where nobody speaks, times since the stream began,
            before the events that it brings are returned.

    Raises:
        AudioError: the rate is no whole number from 8000 to 192000 Hz, or the detector's is not
            the model's.
    """

    def __init__(
        self,
        model: Model,
        sample_rate: int,
        rules: Endpointing | None = None,
        *,
        detector: SpeechDetector | None = None,
        on_frame: Callable[[EmotionFrame], object] | None = None,
    ) -> None:
        self._on_frame = on_frame
        self._stream = hearing(model, sample_rate, rules, detector)
        endpointer = Endpointer.of(model, with_threshold_of(detector, rules))
        self._cutter = Cutter(self._stream, endpointer, model.hop)

    @property
    def sample_rate(self) -> int:
        """Hz, of the chunks."""
        return self._stream.sample_rate

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._cutter.endpointer.speaking

    def process(self, chunk: npt.NDArray[Any]) -> list[UtteranceEvent]:
        """Push a chunk, as for :meth:`edgeser.Stream.process`; the events that it brought.

        Raises:
            AudioError: the chunk cannot be used; nothing of it was taken.
            StreamBusyError, BackendError, KernelError: as :meth:`edgeser.Stream.process`.
        """
        mono = to_mono(chunk, self.sample_rate)
        events: list[UtteranceEvent] = []
        while mono.size:
            part, mono = np.split(mono, [self._cutter.room])
            events += self._told(self._cutter.hear(part.size, self._stream.process(part)))
        return events

    def skip(self, seconds: float) -> None:
        """Time passes unheard, as where sound was lost: what follows is timed so much later."""
        self._cutter.skip(seconds)

    def flush(self) -> list[UtteranceEvent]:
        """End the stream: what it still holds, and the utterance that was going on, if any."""
        return self._told(self._cutter.flush())

    def _told(self, heard: Heard) -> list[UtteranceEvent]:
        frames, events = heard
        if self._on_frame is not None:
            for frame in frames:
                self._on_frame(frame)
        return events
