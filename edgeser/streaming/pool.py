"""Pools: many streams in one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy.typing as npt

from edgeser.backends.interface import Executor
from edgeser.errors import StateError
from edgeser.results import EmotionFrame
from edgeser.streaming.session import Session, frames_of
from edgeser.streaming.stream import Stream, session_of
from edgeser.streaming.vad import SpeechDetector

if TYPE_CHECKING:
    from edgeser import _kernels as core
    from edgeser.streaming.utterances import UtteranceEvent, Utterances

Chunk = npt.NDArray[Any]


class Pool:
    """Processes many streams of one model together, which is cheaper than one after another.

    Made by :meth:`edgeser.Model.pool`. A pool has no state: its streams are ordinary ones, and any
    stream of the same model may take part or be used alone in between. Streams may differ in rate
    and age, and each call may include other streams. Results are bit-identical to single streams;
    if the front end runs in ONNX Runtime, up to rounding (in float32 1e-5 in probability).

    Threads: a pool may be shared; during a call its streams belong to the calling thread.
    """

    def __init__(self, engine: Executor) -> None:
        self._engine = engine

    def stream(
        self,
        sample_rate: int,
        *,
        adapt: bool | None = None,
        detector: SpeechDetector | None = None,
        new_speaker_after: float | None = None,
        every_hop: bool = True,
    ) -> Stream:
        """Creates a stream; the same as :meth:`edgeser.Model.stream`."""
        session = Session.fresh(
            self._engine,
            sample_rate,
            adapt=adapt,
            detector=detector,
            new_speaker_after=new_speaker_after,
            every_hop=every_hop,
        )
        return Stream(session)

    def process(self, chunks: Mapping[Stream, Chunk]) -> dict[Stream, list[EmotionFrame]]:
        """Processes one chunk for each stream and returns the new frames of each.

        All or nothing: all chunks are checked first, and if the model fails while it runs, every
        stream is restored.

        Args:
            chunks: stream to chunk, each chunk as for :meth:`edgeser.Stream.process`.

        Raises:
            AudioError: a chunk cannot be used; the message says which.
            StateError: a stream belongs to another model.
            StreamBusyError: another thread is inside one of the streams.
            BackendError, KernelError: the model failed while it ran.
        """
        for stream in chunks:
            if not isinstance(stream, Stream):
                raise StateError(
                    f"the keys of a pool's chunks are streams, not {type(stream).__name__}: "
                    "pass {stream: chunk, ...}, and Utterances to pool.hear"
                )
        heard = self._heard([session_of(stream) for stream in chunks], chunks)
        return {
            stream: frames_of(frames) for stream, (frames, _) in zip(chunks, heard, strict=True)
        }

    def hear(self, chunks: Mapping[Utterances, Chunk]) -> dict[Utterances, list[UtteranceEvent]]:
        """The same for utterances: returns the events of each.

        Args:
            chunks: :class:`edgeser.Utterances` of this model to chunk.

        Raises:
            AudioError, StateError, StreamBusyError, BackendError, KernelError: as :meth:`process`.
        """
        from edgeser.streaming.utterances import Utterances, parts_of

        for utterances in chunks:
            if not isinstance(utterances, Utterances):
                raise StateError(
                    f"the keys of what a pool hears are Utterances, not "
                    f"{type(utterances).__name__}: pass {{utterances: chunk, ...}}, and streams to "
                    "pool.process"
                )
        parts = [parts_of(utterances) for utterances in chunks]
        heard = self._heard([session for session, _ in parts], chunks)
        return {
            utterances: told(frames_of(frames), events)
            for utterances, (_, told), (frames, events) in zip(chunks, parts, heard, strict=True)
        }

    def _heard(
        self, sessions: Sequence[Session], chunks: Mapping[Any, Chunk]
    ) -> list[tuple[list[core._Frame], list[core._Event]]]:
        for session, stream in zip(sessions, chunks, strict=True):
            if session.engine is not self._engine:
                raise StateError(
                    f"{stream!r} belongs to another model: make it with this pool's model"
                )
        if not sessions:
            return []
        return self._engine.process([session.native for session in sessions], [*chunks.values()])

    def __reduce__(self) -> NoReturn:
        raise StateError("a pool cannot be pickled or copied: create another one with model.pool()")
