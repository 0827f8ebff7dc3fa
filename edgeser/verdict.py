"""How frames add up to a verdict: the mean over speech, weighted. The only place for it.

A frame weighs its speech score, times how much speech had been heard by then, up to three seconds
of it: the model judges by all that it has heard, so its first frames of an utterance know least.

The sums live in the stream's state as float64 [weight, p_1 .. p_L]: in an utterance of a year the
last frame still counts for what it should.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeser.bundle import Thresholds
from edgeser.results import EmotionFrame, Verdict

Sums = npt.NDArray[np.float64]


RAMP_FRAMES = 24
"""Frames of speech, about three seconds, over which the weight of a frame rises to its full."""


def add_to(sums: Sums, frame: EmotionFrame, speech_frames: int) -> None:
    """Let a frame that holds speech count in ``sums`` (1 + L), in place.

    ``speech_frames`` is how many of the utterance's frames held speech so far, this one included.
    """
    weight = frame.speech * min(speech_frames, RAMP_FRAMES) / RAMP_FRAMES
    sums[0] += weight
    for place, probability in enumerate(frame.probabilities.values(), 1):
        sums[place] += weight * probability


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
