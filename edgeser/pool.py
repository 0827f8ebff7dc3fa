"""Many streams, one batch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy.typing as npt

from edgeser.audio.chunk import Samples, to_mono
from edgeser.engine import Engine
from edgeser.errors import AudioError, StateError
from edgeser.lane import Lane
from edgeser.results import EmotionFrame
from edgeser.stream import Stream, lane_of


class Pool:
    """Steps many streams of one model together, which costs less than one after another.

    Made by :meth:`edgeser.Model.pool`. A pool owns nothing: its streams are ordinary ones, and any
    stream of the same model may take part or be used alone in between. They need not be of one
    rate or age, nor all be there every time. Results are those of single streams, bit for bit; up
    to rounding (in float32 1e-5 in probability) where a bundle's front end runs in ONNX Runtime.

    Threads: a pool may be shared; the streams of one call belong to its thread meanwhile.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def stream(self, sample_rate: int) -> Stream:
        """A fresh stream; the same as :meth:`edgeser.Model.stream`."""
        return Stream(Lane(self._engine, sample_rate))

    def process(
        self, chunks: Mapping[Stream, npt.NDArray[Any]]
    ) -> dict[Stream, list[EmotionFrame]]:
        """Push one chunk to each stream and return the frames that each completed.

        All or nothing: all chunks are checked before anything happens, and if the model fails
        while it runs every stream is put back to what it was.

        Args:
            chunks: stream to chunk, each chunk as for :meth:`edgeser.Stream.process`.

        Raises:
            AudioError: a chunk cannot be used; the message says which.
            StateError: a stream belongs to another model.
            StreamBusyError: another thread is inside one of the streams.
            BackendError, KernelError: the model failed while it ran.
        """
        lanes = [self._lane(stream) for stream in chunks]
        mono = [_mono(stream, chunk) for stream, chunk in chunks.items()]
        with ExitStack() as turns:
            for lane in lanes:
                turns.enter_context(lane)
            segments = [lane.feed(samples) for lane, samples in zip(lanes, mono, strict=True)]
            frames = self._engine.advance([lane.state for lane in lanes], segments)
        return dict(zip(chunks, frames, strict=True))

    def _lane(self, stream: Stream) -> Lane:
        if not isinstance(stream, Stream):
            raise StateError(
                f"the keys of a pool's chunks are streams, not {type(stream).__name__}: "
                "pass {stream: chunk, ...}"
            )
        lane = lane_of(stream)
        if lane.engine is not self._engine:
            raise StateError(f"{stream!r} belongs to another model: make it with this pool's model")
        return lane


def _mono(stream: Stream, chunk: npt.NDArray[Any]) -> Samples:
    try:
        return to_mono(chunk, stream.sample_rate)
    except AudioError as error:
        raise AudioError(f"{stream!r}: {error}") from None
