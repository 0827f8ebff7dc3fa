"""Results: frames, verdicts, analyses. Plain immutable values, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EmotionFrame:
    """The result of one hop of a stream, every ``model.hop`` seconds."""

    time: float
    """Seconds since the utterance began, of the last sample that this frame has heard."""
    label: str | None
    """The likeliest emotion; None where nobody speaks or the model is not sure enough.

    That is, where ``speech`` or ``confidence`` is below its threshold in the bundle.
    """
    confidence: float
    """The largest of ``probabilities``, in [0, 1]; there also where ``label`` is None."""
    probabilities: dict[str, float]
    """Label to probability given that somebody speaks, in the order of ``model.labels``; sum 1."""
    speech: float
    """Probability in [0, 1] that somebody speaks."""
    level: float
    """Running level of the sound in dBFS: 0 is the loudest possible, -60 a quiet room."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for a whole utterance.

    The probabilities are the mean over the frames with speech, each weighted by its speech
    probability, and less in the first three seconds, because the model has little context then. So
    silence before, between and after words changes nothing.
    """

    label: str | None
    """The likeliest emotion; None if nobody spoke, too little, or the model is not sure enough."""
    confidence: float
    """The largest of ``probabilities``, in [0, 1]; 0 if nobody spoke."""
    probabilities: dict[str, float]
    """Label to probability, sum 1; all equal if nobody spoke."""
    duration: float
    """Seconds of audio that were pushed."""
    speech_seconds: float
    """Seconds of speech in it, in steps of ``model.hop``."""
    frames: tuple[EmotionFrame, ...]
    """The frames that the end returned: those of the last partial hop."""

    @property
    def summary(self) -> str:
        """The label, or "nobody speaks" or "not sure"."""
        return self.label or ("not sure" if self.speech_seconds else "nobody speaks")


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result for a whole recording: all frames, and the verdict."""

    source: str | None
    """The file's path, or None for an array."""
    sample_rate: int
    """Hz, of the recording."""
    duration: float
    """Seconds."""
    frames: Sequence[EmotionFrame]
    """All in order, one every ``model.hop`` seconds; read-only, and equal to a tuple of them.

    They take some 80 bytes each, 2 MB for an hour.
    """
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Dicts, lists, strings and numbers, for JSON."""
        return {
            "source": self.source,
            "sample_rate": self.sample_rate,
            "duration": self.duration,
            "frames": [asdict(frame) for frame in self.frames],
            "verdict": asdict(self.verdict),
        }


def says_something(frame: EmotionFrame) -> bool:
    """Whether a frame has different probabilities; without speech all are equal."""
    shares = frame.probabilities.values()
    return frame.label is not None or max(shares) > min(shares)
