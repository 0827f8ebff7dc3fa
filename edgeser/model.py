"""A loaded model: immutable, shared by all streams and threads."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any, NoReturn

import numpy.typing as npt

from edgeser.backends.interface import Executor
from edgeser.errors import BackendError
from edgeser.options import Precision
from edgeser.results import Analysis
from edgeser.streaming.pool import Pool
from edgeser.streaming.session import Session
from edgeser.streaming.stream import Stream
from edgeser.streaming.vad import SpeechDetector


class Model:
    """What :func:`edgeser.load` returns. It makes streams and never changes.

    Threads: everything here may be called from any number of threads at once.
    """

    def __init__(self, engine: Executor) -> None:
        self._engine = engine
        self._bundle = engine.bundle

    @property
    def name(self) -> str:
        """The model's name."""
        return self._bundle.manifest.name

    @property
    def version(self) -> str:
        """The model's own version."""
        return self._bundle.manifest.version

    @property
    def hash(self) -> str:
        """SHA-256 of the bundle's manifest in hex, and through it of everything in the bundle."""
        return self._bundle.hash

    @property
    def licence(self) -> str:
        """The licence of the weights, as an SPDX expression or as text."""
        return self._bundle.manifest.licence

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices that must go wherever the weights go."""
        return self._bundle.manifest.notices

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that it tells apart, in the order of all probabilities."""
        return self._bundle.manifest.labels

    @property
    def speech_threshold(self) -> float:
        """A frame whose ``speech`` is below this, in [0, 1], carries no label."""
        return self._bundle.manifest.thresholds.speech

    @property
    def confidence_threshold(self) -> float:
        """A frame or a verdict whose ``confidence`` is below this, in [0, 1], carries no label."""
        return self._bundle.manifest.thresholds.confidence

    @property
    def shortest_verdict(self) -> float:
        """Seconds of speech below which an utterance's verdict carries no label."""
        return self._bundle.manifest.thresholds.utterance

    @property
    def sample_rate(self) -> int:
        """Hz, inside the model. Streams may have any other rate and are resampled."""
        return self._bundle.manifest.sizes.sample_rate

    @property
    def hop(self) -> float:
        """Seconds between two frames."""
        return self._engine.core.hop

    @property
    def delay(self) -> float:
        """Seconds of audio after which a pushed sample is in a frame, at the latest: one hop.

        ``stream.delay`` adds what the stream's resampler needs.
        """
        return self._engine.core.hop

    @property
    def receptive_field(self) -> float:
        """Seconds of past speech that a frame can depend on (besides its running level)."""
        sizes = self._bundle.manifest.sizes
        samples = (sizes.receptive_tokens - 1) * sizes.hop + sizes.segment
        return samples / sizes.sample_rate

    @property
    def state_bytes(self) -> int:
        """Bytes of memory that one stream at the model's own rate takes, for ever."""
        return self.stream(self.sample_rate).state_bytes

    @property
    def precision(self) -> Precision:
        """How the kernels keep its weights: see :func:`edgeser.load`."""
        return self._engine.precision

    @property
    def backend(self) -> str:
        """What executes it: ``cpu`` or ``cuda``.

        A model that was loaded with ``backend="auto"`` goes from the latter to the former if the
        GPU fails.
        """
        return self._engine.backend

    @property
    def simd(self) -> str:
        """The instruction set that the kernels use here: avx512_vnni, avx2, neon or another."""
        return self._engine.simd

    @property
    def facts(self) -> dict[str, Any]:
        """A copy of the bundle's manifest: sizes, thresholds, training data and figures."""
        return copy.deepcopy(dict(self._bundle.manifest.raw))

    @property
    def pause(self) -> float:
        """Seconds without speech that end a sequence: what comes then is heard afresh."""
        return self._bundle.manifest.pause * self.hop

    def stream(
        self,
        sample_rate: int,
        *,
        adapt: bool | None = None,
        detector: SpeechDetector | None = None,
        new_speaker_after: float | None = None,
        every_hop: bool = True,
    ) -> Stream:
        """A fresh stream.

        Args:
            sample_rate: Hz, of its audio, a whole number from 8000 to 192000.
            adapt: whether it learns the voice that it hears, utterance by utterance; None for what
                the bundle says.
            detector: scores speech in the model's place, of this stream alone: frames carry its
                score, and a label where it hears speech. What the model remembers still goes by
                the model's own score.
            new_speaker_after: seconds without speech after which what was learned of the voice is
                forgotten; None for never.
            every_hop: False lets a hop that sounds like the quiet before it be quiet too without
                being heard in full, which costs next to nothing. ``docs/streaming.md`` says what
                that may change.

        Raises:
            AudioError: the rate or the length is out of range, or the detector's rate is not the
                model's.
        """
        return Stream(
            Session.fresh(
                self._engine,
                sample_rate,
                adapt=adapt,
                detector=detector,
                new_speaker_after=new_speaker_after,
                every_hop=every_hop,
            )
        )

    def resume(self, state: bytes, *, detector: SpeechDetector | None = None) -> Stream:
        """A stream that goes on exactly where the one went that :meth:`Stream.state` was asked of.

        It may have been saved by Python or by the C library. The same model in another precision
        is no other model: the stream goes on in this one.

        Args:
            state: the bytes.
            detector: as for :meth:`stream`; what one remembers is no part of a state.

        Raises:
            StateError: the bytes are no saved state, are damaged, come from another format, or
                belong to another model.
        """
        return Stream(Session.resumed(self._engine, state, detector))

    def pool(self) -> Pool:
        """A pool, to step many streams of this model in one batch."""
        return Pool(self._engine)

    def analyze(
        self,
        source: str | os.PathLike[str] | npt.NDArray[Any],
        sample_rate: int | None = None,
        *,
        progress: Callable[[float, float], object] | None = None,
    ) -> Analysis:
        """Judge a whole recording. It is read block by block: memory does not depend on its length.

        Args:
            source: the path of a WAV, FLAC, Ogg or MP3 file, or an array as for
                :meth:`Stream.process` but of any length.
            sample_rate: Hz, of an array; a file knows its own.
            progress: called with (seconds done, seconds in all) after each block.

        Raises:
            AudioError: the file is missing, unreadable, empty, or holds samples that cannot be
                used; an array came without a rate, or a file with one.
            BackendError, KernelError: the model failed while it ran.
        """
        from edgeser.streaming.analysis import analyze

        return analyze(self, source, sample_rate, progress)

    def __copy__(self) -> Model:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        del memo  # it never changes: one is as good as two
        return self

    def __reduce__(self) -> NoReturn:
        raise BackendError(
            "a model cannot be pickled or sent to another process: what executes it was made for "
            "this one. Call edgeser.load there, with the bundle's path, once for each process"
        )

    def __repr__(self) -> str:
        return f"<edgeser.Model {self.name} {self.version}, {self.hash[:12]}>"
