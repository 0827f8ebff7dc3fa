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
    """A loaded model, returned by :func:`edgeser.load`. It is immutable.

    Threads: all methods may be called from any number of threads at once.
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
        """SHA-256 of the bundle's manifest, in hex; it covers the whole bundle."""
        return self._bundle.hash

    @property
    def licence(self) -> str:
        """The licence of the weights, as an SPDX expression or as text."""
        return self._bundle.manifest.licence

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices that must be distributed with the weights."""
        return self._bundle.manifest.notices

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions, in the order of all probabilities."""
        return self._bundle.manifest.labels

    @property
    def speech_threshold(self) -> float:
        """Frames whose ``speech`` is below this threshold, in [0, 1], have no label."""
        return self._bundle.manifest.thresholds.speech

    @property
    def confidence_threshold(self) -> float:
        """Frames and verdicts whose ``confidence`` is below this, in [0, 1], have no label."""
        return self._bundle.manifest.thresholds.confidence

    @property
    def shortest_verdict(self) -> float:
        """Verdicts on utterances with fewer seconds of speech than this have no label."""
        return self._bundle.manifest.thresholds.utterance

    @property
    def sample_rate(self) -> int:
        """Sample rate inside the model, in Hz. Streams of other rates are resampled."""
        return self._bundle.manifest.sizes.sample_rate

    @property
    def hop(self) -> float:
        """Seconds between two frames."""
        return self._engine.core.hop

    @property
    def delay(self) -> float:
        """Longest time in seconds of audio until a sample is in a frame: one hop.

        ``stream.delay`` includes the delay of the stream's resampler.
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
        """Bytes of memory of one stream at the model's own rate; constant."""
        return self.stream(self.sample_rate).state_bytes

    @property
    def precision(self) -> Precision:
        """Number format of its weights: see :func:`edgeser.load`."""
        return self._engine.precision

    @property
    def backend(self) -> str:
        """The backend in use: ``cpu`` or ``cuda``.

        With ``backend="auto"`` it changes from ``cuda`` to ``cpu`` if the GPU fails.
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
        """Seconds without speech that end a sequence; the next one starts from a fresh state."""
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
        """Creates a stream.

        Args:
            sample_rate: of its audio, in Hz, a whole number from 8000 to 192000.
            adapt: whether it learns the statistics of its speaker; None for the bundle's default.
            detector: replaces the model's speech score, for this stream only: frames have its
                score, and a label if it detects speech. The state of the model still depends on
                the model's own score.
            new_speaker_after: seconds without speech after which the statistics of the speaker are
                reset; None for never.
            every_hop: False skips hops that sound like the pause before them, at almost no cost;
                ``docs/streaming.md`` describes what may change.

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
        """Resumes a stream from the bytes that :meth:`Stream.state` returned.

        The state may come from Python or from the C library, from a CPU or a GPU, and from the same
        model in another precision, except from or to int8, whose streams keep quantised values.

        Args:
            state: the bytes.
            detector: as for :meth:`stream`, with its own threshold; a detector's state is not
                saved.

        Raises:
            StateError: the bytes are not a saved state, are damaged, have another format, or
                belong to another model, or one of the two is in int8.
        """
        return Stream(Session.resumed(self._engine, state, detector))

    def pool(self) -> Pool:
        """Creates a pool, to process many streams of this model in one batch."""
        return Pool(self._engine)

    def analyze(
        self,
        source: str | os.PathLike[str] | npt.NDArray[Any],
        sample_rate: int | None = None,
        *,
        progress: Callable[[float, float], object] | None = None,
    ) -> Analysis:
        """Analyses a whole recording, block by block: memory does not depend on its length.

        Args:
            source: the path of a WAV, FLAC, Ogg or MP3 file, or an array as for
                :meth:`Stream.process` but of any length.
            sample_rate: of an array, in Hz; None for a file.
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
            "a model cannot be pickled or sent to another process: its engine belongs to this one. "
            "Call edgeser.load there, with the bundle's path, once in each process"
        )

    def __repr__(self) -> str:
        return f"<edgeser.Model {self.name} {self.version}, {self.hash[:12]}>"
