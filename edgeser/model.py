"""A loaded model: immutable, shared by all streams and threads."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from edgeser import saved
from edgeser.backends import Precision
from edgeser.engine import Engine
from edgeser.lane import Lane
from edgeser.pool import Pool
from edgeser.results import Analysis
from edgeser.stream import Stream


class Model:
    """What :func:`edgeser.load` returns. It makes streams and never changes.

    Threads: everything here may be called from any number of threads at once.
    """

    def __init__(self, engine: Engine) -> None:
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
        return self._engine.decoder.hop

    @property
    def delay(self) -> float:
        """Seconds of audio after which a pushed sample is in a frame, at the latest: one hop.

        ``stream.delay`` adds what the stream's resampler needs.
        """
        return self._engine.decoder.hop

    @property
    def receptive_field(self) -> float:
        """Seconds of past audio that a frame can depend on (besides its running level)."""
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

    def stream(self, sample_rate: int) -> Stream:
        """A fresh stream for audio at ``sample_rate`` Hz, a whole number from 8000 to 192000.

        Raises:
            AudioError: for any other rate.
        """
        return Stream(Lane(self._engine, sample_rate))

    def resume(self, state: bytes) -> Stream:
        """A stream that goes on exactly where the one went that :meth:`Stream.state` was asked of.

        The same model in another precision is no other model: the stream goes on in this one.

        Raises:
            StateError: the bytes are no saved state, are damaged, come from a newer edgeser, or
                belong to another model.
        """
        lane = Lane(self._engine, saved.sample_rate_of(state, self.hash))
        saved.restore(lane, state)
        return Stream(lane)

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
        from edgeser.analysis import analyze

        return analyze(self, source, sample_rate, progress)

    def __repr__(self) -> str:
        return f"<edgeser.Model {self.name} {self.version}, {self.hash[:12]}>"
