"""The sequences of one instance of a model in the inference server, stepped together.

A sequence is a stream under the name that a client gave it, its correlation id. The server starts
and ends them, and says nothing when it drops one whose client has gone: so they have a clock here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.errors import EdgeserError, StateError
from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.streaming.utterances import UtteranceEvent, Utterances
from edgeser.streaming.vad import SpeechDetector

SequenceId = int | str


@dataclass(frozen=True, slots=True)
class Piece:
    """One request: the next samples of a sequence."""

    sequence: SequenceId
    start: bool = False
    """Whether it starts the sequence; an earlier sequence of the same name is dropped."""
    end: bool = False
    """Whether it ends the sequence, and with it the current utterance."""
    samples: npt.NDArray[Any] | None = None
    """As for :meth:`edgeser.Stream.process`; None or empty for no audio."""
    sample_rate: int | None = None
    """Hz, at the start of a sequence; None for the model's rate. Later requests may repeat it."""


@dataclass(slots=True)
class Heard:
    """The results of a request."""

    frames: list[EmotionFrame] = field(default_factory=list)
    events: list[UtteranceEvent] = field(default_factory=list)


class Sequences:
    """Streams by correlation id. Threads: one at a time, as the server calls an instance.

    Args:
        model: what hears them.
        idle: seconds after which an idle sequence is dropped, as the server has
            done by then.
        detector: makes the speech detector of each; None for the model's own score.
        clock: seconds, which never go back.
    """

    def __init__(
        self,
        model: Model,
        idle: float,
        detector: Callable[[], SpeechDetector | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model, self._pool = model, model.pool()
        self._idle, self._detector, self._clock = idle, detector, clock
        self._going: OrderedDict[SequenceId, _Going] = OrderedDict()

    def __len__(self) -> int:
        return len(self._going)

    def hear(self, pieces: Sequence[Piece]) -> list[Heard | EdgeserError]:
        """Processes one request of each sequence in a batch; returns a result or an error for each.

        A piece that cannot be used is refused alone: its sequence is as before and can go on,
        unless the piece was to start or to end it.
        """
        self._forget()
        results: list[Heard | EdgeserError] = []
        due: dict[int, _Going] = {}
        for place, piece in enumerate(pieces):
            try:
                going = self._of(piece)
                results.append(Heard())
            except EdgeserError as error:
                results.append(error)
                continue
            if piece.samples is not None and len(piece.samples):
                due[place] = going
        for place, result in self._stepped(pieces, due).items():
            results[place] = result
        for place, piece in enumerate(pieces):
            if piece.end and piece.sequence in self._going:
                results[place] = _ended(self._going.pop(piece.sequence), results[place])
        return results

    def _of(self, piece: Piece) -> _Going:
        if piece.start:
            rate = piece.sample_rate or self._model.sample_rate
            self._going.pop(piece.sequence, None)
            self._going[piece.sequence] = _Going(self._model, rate, self._detector())
        going = self._going.get(piece.sequence)
        if going is None:
            raise StateError(
                f"sequence {piece.sequence!r} is unknown: it was idle for more than "
                f"{self._idle:g} s, or started on another instance; start again with sequence_start"
            )
        if piece.sample_rate not in (None, going.utterances.sample_rate):
            raise StateError(
                f"sequence {piece.sequence!r} started at {going.utterances.sample_rate} Hz, but "
                f"this request has {piece.sample_rate} Hz: start another sequence"
            )
        going.last = self._clock()
        self._going.move_to_end(piece.sequence)
        return going

    def _stepped(
        self, pieces: Sequence[Piece], due: dict[int, _Going]
    ) -> dict[int, Heard | EdgeserError]:
        """Steps a batch, which is all or nothing; if it fails, steps each sequence separately."""
        chunks = {going.utterances: _samples(pieces[place]) for place, going in due.items()}
        try:
            told = self._pool.hear(chunks)
        except EdgeserError as error:
            if len(due) == 1:
                return dict.fromkeys(due, error)
            alone = [self._stepped(pieces, {place: going}) for place, going in due.items()]
            return {place: result for each in alone for place, result in each.items()}
        return {place: Heard(going.taken(), told[going.utterances]) for place, going in due.items()}

    def _forget(self) -> None:
        """Sequences that were idle for too long, the longest idle first."""
        oldest = self._clock() - self._idle
        while self._going and next(iter(self._going.values())).last < oldest:
            self._going.popitem(last=False)


class _Going:
    """A sequence in progress."""

    def __init__(self, model: Model, rate: int, detector: SpeechDetector | None) -> None:
        self._frames: list[EmotionFrame] = []
        self.utterances = Utterances(model, rate, detector=detector, on_frame=self._frames.append)
        self.last = 0.0

    def taken(self) -> list[EmotionFrame]:
        """The frames since the last call."""
        frames = self._frames[:]
        self._frames.clear()
        return frames


def _ended(going: _Going, result: Heard | EdgeserError) -> Heard | EdgeserError:
    if isinstance(result, EdgeserError):
        return result
    try:
        events = going.utterances.flush()
    except EdgeserError as error:
        return error
    return Heard(result.frames + going.taken(), result.events + events)


def _samples(piece: Piece) -> npt.NDArray[Any]:
    return np.asarray(piece.samples)
