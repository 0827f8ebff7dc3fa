"""A stream of the compiled core together with its engine; the base of streams and utterances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from edgeser.backends.interface import Executor
from edgeser.errors import AudioError
from edgeser.native import kernels
from edgeser.results import EmotionFrame, Verdict
from edgeser.streaming.vad import SpeechDetector

if TYPE_CHECKING:
    from edgeser import _kernels as core
    from edgeser.model import Model

Rules = tuple[float | None, float, float, float, bool]


class Session:
    """One stream of the core with its Python objects. Threads: as for a stream."""

    __slots__ = ("__weakref__", "detector", "engine", "native")

    def __init__(
        self, engine: Executor, native: core.Stream, detector: SpeechDetector | None = None
    ) -> None:
        self.engine = engine
        self.native = native
        self.detector = detector

    @staticmethod
    def fresh(
        engine: Executor,
        sample_rate: int,
        *,
        adapt: bool | None = None,
        detector: SpeechDetector | None = None,
        new_speaker_after: float | None = None,
        rules: Rules | None = None,
        every_hop: bool = True,
    ) -> Session:
        """Creates a fresh one.

        Raises:
            AudioError: the rate, a length or a threshold is out of range, or the detector's rate
                is not the model's.
        """
        _check_detector(engine, detector)
        threshold = rules[0] if rules and rules[0] is not None else None
        if threshold is None and detector is not None:
            threshold = detector.threshold
        native = kernels().Stream(
            engine.core,
            sample_rate,
            adapt=adapt,
            new_speaker_after=new_speaker_after,
            rules=rules,
            detector=None if detector is None else detector.score,
            threshold=threshold if detector is not None else None,
            every_hop=every_hop,
        )
        if detector is not None:
            detector.reset()
        return Session(engine, native, detector)

    @staticmethod
    def resumed(engine: Executor, state: bytes, detector: SpeechDetector | None = None) -> Session:
        """Resumes one from bytes. Raises StateError, or AudioError as above."""
        _check_detector(engine, detector)
        native = kernels().Stream.resume(
            engine.core,
            state,
            detector=None if detector is None else detector.score,
            threshold=None if detector is None else detector.threshold,
        )
        if detector is not None:
            detector.reset()
        return Session(engine, native, detector)

    def process(self, chunk: npt.NDArray[Any]) -> tuple[list[EmotionFrame], list[core._Event]]:
        """Processes a chunk; returns its frames and events."""
        ((frames, events),) = self.engine.process([self.native], [chunk])
        return frames_of(frames), events

    def flush(self) -> tuple[list[core._Event], Verdict]:
        """Returns the last events, and the verdict, which contains the last frames."""
        frames, events, verdict = self.engine.flush(self.native)
        if self.detector is not None:
            self.detector.reset()
        return events, Verdict(*verdict, tuple(frames_of(frames)))

    def reset(self) -> None:
        """Forget everything."""
        self.native.reset()
        if self.detector is not None:
            self.detector.reset()

    def state(self) -> bytes:
        """The state of the stream, as bytes."""
        self.engine.settle(self.native)
        return self.native.state()


def engine_of(model: Model) -> Executor:
    """The engine of a model, for internal use."""
    return model._engine  # noqa: SLF001


def frames_of(frames: list[core._Frame]) -> list[EmotionFrame]:
    """The core's frames as the package's."""
    return [EmotionFrame(*frame) for frame in frames]


def _check_detector(engine: Executor, detector: SpeechDetector | None) -> None:
    rate = engine.bundle.manifest.sizes.sample_rate
    if detector is not None and detector.sample_rate != rate:
        raise AudioError(
            f"the speech detector hears {detector.sample_rate} Hz and the model {rate} Hz: use "
            "the model's own speech score"
        )
