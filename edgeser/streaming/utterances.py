"""Utterances: speech between two pauses, with a verdict.

The core implements the rules (``csrc/stream/endpointer.hpp``); this module makes objects of its
events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from edgeser.errors import AudioError, StateError
from edgeser.native import kernels
from edgeser.results import EmotionFrame, Verdict
from edgeser.streaming.session import Rules, Session, engine_of
from edgeser.streaming.vad import SpeechDetector

if TYPE_CHECKING:
    from edgeser import _kernels as core
    from edgeser.model import Model

_NUMBERS = (int, float, np.integer, np.floating)


@dataclass(frozen=True, slots=True)
class Endpointing:
    """Rules for the start and end of an utterance. Lengths are in seconds, rounded to hops.

    They use a speech score: the model's own, or that of a ``detector`` such as
    :class:`edgeser.Silero`.
    """

    speech: float | None = None
    """Speech score in (0, 1) at which a frame is speech.

    None for the bundle's threshold, or that of the speech detector in use.
    """
    onset: float = 0.25
    """Minimum speech without a gap that starts an utterance. Longer than a click or a cough."""
    hangover: float = 0.9
    """Silence that ends an utterance. Longer than a pause between two words."""
    longest: float = 30.0
    """Maximum length: a longer utterance is ended here, and the next one starts."""
    reset: bool = True
    """Whether the end of an utterance also ends the model's sequence.

    If True, earlier speech does not influence the next utterance. If False, a sequence ends only
    after the model's own pause, so earlier utterances do influence the next one. The statistics of
    the speaker are kept in both cases.
    """

    def __post_init__(self) -> None:
        """Raises AudioError for invalid values."""
        speech = self.speech
        if speech is not None and not (isinstance(speech, _NUMBERS) and 0 < speech < 1):
            raise AudioError(f"the speech threshold is {speech!r}: it lies between 0 and 1")
        for name in ("onset", "hangover", "longest"):
            length = getattr(self, name)
            if not (isinstance(length, _NUMBERS) and 0 < float(length) <= 1e9):
                raise AudioError(f"{name} is {length!r} s: give a length above 0, at most 1e9")
        if self.longest <= self.onset:
            raise AudioError(
                f"an utterance of at most {self.longest} s never begins after {self.onset} s: "
                "make longest greater than onset"
            )


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech started, ``Endpointing.onset`` before this event."""

    time: float
    """Start of the first frame of speech, in seconds since the stream began."""


@dataclass(frozen=True, slots=True)
class Emotion:
    """A frame inside an utterance."""

    frame: EmotionFrame
    """The frame; its ``time`` is in seconds since the stream began."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """An utterance ended; contains its verdict."""

    start: float
    """Seconds since the stream began."""
    end: float
    """End of its last speech, in seconds since the stream began."""
    verdict: Verdict
    """The verdict on the frames from start to end."""
    timeline: tuple[EmotionFrame, ...]
    """These frames; times are since the stream began."""
    ended: Literal["silence", "longest", "flush"]
    """Why it ended: silence, the maximum length, or the end of the stream."""

    @property
    def label(self) -> str | None:
        """The verdict's."""
        return self.verdict.label


UtteranceEvent = SpeechStarted | Emotion | Utterance


class Timeline:
    """Combines the core's events with their frames. Threads: as for a stream."""

    def __init__(self, rules: Endpointing, hop: float) -> None:
        self._recent: deque[EmotionFrame] = deque(maxlen=max(1, round(rules.onset / hop)))
        self._frames: list[EmotionFrame] = []
        self._speaking = False

    def told(
        self, frames: Iterable[EmotionFrame], events: Iterable[core._Event]
    ) -> list[UtteranceEvent]:
        """The events of the next frames, including the end of an utterance."""
        told: list[UtteranceEvent] = []
        waiting = deque(events)
        for index, frame in enumerate(frames):
            if self._speaking:
                self._frames.append(frame)
                told.append(Emotion(frame))
            else:
                self._recent.append(frame)
            while waiting and waiting[0][1] == index:
                told += self._event(waiting.popleft())
        for event in waiting:
            told += self._event(event)
        return told

    def clear(self) -> None:
        """Resets to silence."""
        self._recent.clear()
        self._frames, self._speaking = [], False

    def _event(self, event: core._Event) -> list[UtteranceEvent]:
        if event[0] == "started":
            _, _, start, count = event
            self._frames = [*self._recent][-count:]
            self._speaking = True
            return [SpeechStarted(start), *(Emotion(known) for known in self._frames)]
        _, _, why, start, end, count, verdict = event
        kept = tuple(self._frames[:count])
        self.clear()
        return [Utterance(start, end, Verdict(*verdict, ()), kept, _WHY[why])]


_WHY: dict[str, Literal["silence", "longest", "flush"]] = {
    "silence": "silence",
    "longest": "longest",
    "flush": "flush",
}


class Endpointer:
    """Applies the rules to existing frames of one stream; returns events.

    Threads: as for a stream, one at a time.
    """

    def __init__(self, model: Model, rules: Endpointing | None = None) -> None:
        self.rules = rules or Endpointing()
        self._native: core.Endpointer = kernels().Endpointer(
            engine_of(model).core, rules_of(self.rules)
        )
        self._timeline = Timeline(self.rules, model.hop)

    @property
    def speaking(self) -> bool:
        """Whether an utterance is in progress."""
        return self._native.speaking

    @property
    def speech_threshold(self) -> float:
        """Score at which a frame is speech."""
        return self._native.threshold

    def hear(self, frames: Iterable[EmotionFrame]) -> list[UtteranceEvent]:
        """The events of the next frames of the stream."""
        told: list[UtteranceEvent] = []
        for frame in frames:
            shares = [*frame.probabilities.values()]
            is_open = max(shares) > min(shares)  # else they say nothing
            told += self._timeline.told(
                [frame], self._native.hear(frame.time, frame.speech, is_open, shares)
            )
        return told

    def flush(self) -> list[UtteranceEvent]:
        """Ends the stream, and the current utterance, if any."""
        return self._timeline.told([], self._native.flush())


def rules_of(rules: Endpointing) -> Rules:
    """The rules as the core takes them."""
    return (rules.speech, rules.onset, rules.hangover, rules.longest, rules.reset)


class Utterances:
    """A stream that returns events of utterances.

    Events do not depend on how the audio is cut into chunks. Threads: as for a stream.

    Args:
        model: the model.
        sample_rate: of the chunks, in Hz.
        rules: for the start and end of an utterance.
        detector: detects speech, for this stream only; None for the model's own score.
        adapt: whether it learns the statistics of its speaker; None for the bundle's default.
        new_speaker_after: seconds without speech after which the statistics of the speaker are
            reset; None for never.
        every_hop: as for :meth:`edgeser.Model.stream`.
        on_frame: called with every frame, also without speech, before the events of the same call
            are returned; times are since the start of the stream.

    Raises:
        AudioError: the rate is not a whole number from 8000 to 192000 Hz, or the detector's is not
            the model's.
    """

    def __init__(
        self,
        model: Model,
        sample_rate: int,
        rules: Endpointing | None = None,
        *,
        detector: SpeechDetector | None = None,
        adapt: bool | None = None,
        new_speaker_after: float | None = None,
        every_hop: bool = True,
        on_frame: Callable[[EmotionFrame], object] | None = None,
    ) -> None:
        self.rules = with_threshold_of(detector, rules)
        self._on_frame = on_frame
        self._timeline = Timeline(self.rules, model.hop)
        self._session = Session.fresh(
            engine_of(model),
            sample_rate,
            adapt=adapt,
            detector=detector,
            new_speaker_after=new_speaker_after,
            rules=rules_of(self.rules),
            every_hop=every_hop,
        )

    @property
    def sample_rate(self) -> int:
        """Hz, of the chunks."""
        return self._session.native.sample_rate

    @property
    def speaking(self) -> bool:
        """Whether an utterance is in progress."""
        return self._session.native.speaking

    @property
    def speech_threshold(self) -> float:
        """Score at which a frame is speech."""
        if self.rules.speech is not None:
            return self.rules.speech
        return self._session.engine.bundle.manifest.thresholds.speech

    @property
    def position(self) -> float:
        """As :attr:`edgeser.Stream.position`."""
        return self._session.native.position

    @property
    def until_frame(self) -> int:
        """As :attr:`edgeser.Stream.until_frame`."""
        return self._session.native.until_frame

    def process(self, chunk: npt.NDArray[Any]) -> list[UtteranceEvent]:
        """Processes a chunk, as :meth:`edgeser.Stream.process`, and returns its events.

        Raises:
            AudioError: the chunk cannot be used; none of it was consumed.
            StreamBusyError, BackendError, KernelError: as :meth:`edgeser.Stream.process`.
        """
        return self._told(*self._session.process(chunk))

    def skip(self, seconds: float) -> None:
        """Skips time, for lost audio: adds it to the times of all later results."""
        self._session.native.skip(seconds)

    def new_speaker(self) -> None:
        """As :meth:`edgeser.Stream.new_speaker`."""
        self._session.native.new_speaker()

    def calibrate(self, chunk: npt.NDArray[Any]) -> None:
        """As :meth:`edgeser.Stream.calibrate`."""
        self._session.engine.calibrate(self._session.native, chunk)

    def flush(self) -> list[UtteranceEvent]:
        """Ends the stream: processes the rest and ends the current utterance, if any."""
        events, verdict = self._session.flush()
        told = self._told([*verdict.frames], events)
        self._timeline.clear()
        return told

    def _told(self, frames: list[EmotionFrame], events: list[core._Event]) -> list[UtteranceEvent]:
        told = self._timeline.told(frames, events)
        if self._on_frame is not None:
            for frame in frames:
                self._on_frame(frame)
        return told

    def __reduce__(self) -> NoReturn:
        raise StateError(
            "Utterances cannot be pickled or copied: create another one from the model"
        )


Told = Callable[[list[EmotionFrame], list[Any]], list[UtteranceEvent]]


def parts_of(utterances: Utterances) -> tuple[Session, Told]:
    """The parts of an Utterances object, for internal use."""
    return utterances._session, utterances._told  # noqa: SLF001


def with_threshold_of(detector: SpeechDetector | None, rules: Endpointing | None) -> Endpointing:
    """The rules, with the detector's threshold if they have none."""
    rules = rules or Endpointing()
    if detector is None or rules.speech is not None:
        return rules
    return replace(rules, speech=detector.threshold)
