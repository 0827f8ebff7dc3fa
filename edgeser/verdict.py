"""How frames add up to a verdict: the mean over speech, weighted by speech. The only place for it.

The sums live in the stream's state as float64 [weight, p_1 .. p_L]: in an utterance of a year the
last frame still counts for what it should.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeser.bundle import Thresholds
from edgeser.results import EmotionFrame, Verdict

Sums = npt.NDArray[np.float64]


def add_to(sums: Sums, frame: EmotionFrame) -> None:
    """Let a frame that holds speech count in ``sums`` (1 + L), in place."""
    sums[0] += frame.speech
    sums[1:] += np.multiply(tuple(frame.probabilities.values()), frame.speech)


def conclude(
    sums: Sums,
    labels: tuple[str, ...],
    thresholds: Thresholds,
    *,
    duration: float,
    speech_seconds: float,
    frames: tuple[EmotionFrame, ...],
) -> Verdict:
    """The verdict that ``sums`` amount to."""
    weight, *totals = sums.tolist()
    if weight > 0:
        shares = [total / weight for total in totals]
        confidence = max(shares)
    else:
        shares = [1 / len(labels)] * len(labels)
        confidence = 0.0
    enough = weight > 0 and speech_seconds >= thresholds.utterance
    sure = enough and confidence >= thresholds.confidence
    return Verdict(
        label=labels[shares.index(max(shares))] if sure else None,
        confidence=confidence,
        probabilities=dict(zip(labels, shares, strict=True)),
        duration=duration,
        speech_seconds=min(speech_seconds, duration),
        frames=frames,
    )
