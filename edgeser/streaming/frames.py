"""A compact sequence of frames, for the analysis of long recordings."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from edgeser.results import EmotionFrame

_OWN = 4  # numbers of a frame beside its probabilities
_NO_LABEL = -1


class Frames(Sequence[EmotionFrame]):
    """An immutable sequence of frames, which behaves like a tuple.

    A frame takes 40 bytes plus 8 for each label, instead of some 500 as an object. Objects are
    created on access. ``frames`` may be any iterable; all frames must have the same labels.
    """

    __slots__ = ("_labels", "_numbers", "_places", "_width")

    def __init__(self, frames: Iterable[EmotionFrame] = ()) -> None:
        self._labels: tuple[str, ...] = ()
        self._numbers = array("d")
        self._places = array("q")
        """Which of the labels each frame carries; -1 for none."""
        self._width = _OWN
        for frame in frames:
            self._append(frame)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> EmotionFrame: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[EmotionFrame, ...]: ...

    def __getitem__(self, at: int | slice) -> EmotionFrame | tuple[EmotionFrame, ...]:
        if isinstance(at, slice):
            return tuple(self._frame(place) for place in range(*at.indices(len(self))))
        place = range(len(self))[at]
        return self._frame(place)

    def __iter__(self) -> Iterator[EmotionFrame]:
        return map(self._frame, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Frames | tuple):
            return len(self) == len(other) and all(map(_same, self, other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # frames hold dicts

    def __add__(self, other: Iterable[EmotionFrame]) -> tuple[EmotionFrame, ...]:
        return (*self, *other)

    def __radd__(self, other: Iterable[EmotionFrame]) -> tuple[EmotionFrame, ...]:
        return (*other, *self)

    def __repr__(self) -> str:
        return f"<edgeser.Frames, {len(self)} of them>"

    def _frame(self, place: int) -> EmotionFrame:
        begin = place * self._width
        time, confidence, speech, level, *shares = self._numbers[begin : begin + self._width]
        label = self._places[place]
        return EmotionFrame(
            time=time,
            label=None if label == _NO_LABEL else self._labels[label],
            confidence=confidence,
            probabilities=dict(zip(self._labels, shares, strict=True)),
            speech=speech,
            level=level,
        )

    def _append(self, frame: EmotionFrame) -> None:
        if not self._places:
            self._labels = tuple(frame.probabilities)
            self._width = _OWN + len(self._labels)
        place = _NO_LABEL if frame.label is None else self._labels.index(frame.label)
        self._places.append(place)
        self._numbers.extend((frame.time, frame.confidence, frame.speech, frame.level))
        self._numbers.extend(frame.probabilities.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return Frames, (tuple(self),)


def _same(one: EmotionFrame, other: object) -> bool:
    return one == other
