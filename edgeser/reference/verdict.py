"""The verdict: a weighted mean over frames with speech.

A frame's weight is its speech score times the amount of speech so far, which counts up to three
seconds. The model judges by all it has heard, so the first frames of an utterance are the least
reliable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

RAMP_FRAMES = 24
"""Frames of speech, about three seconds, until a frame has its full weight."""


def shares(probabilities: Doubles, speech: Sequence[float]) -> Doubles:
    """The verdict's probabilities (L,) from the frames with speech: (T, L) and their scores (T,).

    Uniform if there are none.
    """
    count, labels = probabilities.shape
    if count == 0:
        return np.full(labels, 1 / labels)
    ramp = np.minimum(np.arange(1, count + 1), RAMP_FRAMES) / RAMP_FRAMES
    weights = np.asarray(speech) * ramp
    return np.asarray(weights @ probabilities / weights.sum())
