"""How frames add up to a verdict: the mean over speech, weighted.

A frame weighs its speech score, times how much speech had been heard by then, up to three seconds
of it: the model judges by all that it has heard, so its first frames of an utterance know least.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

RAMP_FRAMES = 24
"""Frames of speech, about three seconds, over which the weight of a frame rises to its full."""


def shares(probabilities: Doubles, speech: Sequence[float]) -> Doubles:
    """The verdict's probabilities (L,) of the frames with speech: (T, L) and their scores (T,).

    All equal if there are none.
    """
    count, labels = probabilities.shape
    if count == 0:
        return np.full(labels, 1 / labels)
    ramp = np.minimum(np.arange(1, count + 1), RAMP_FRAMES) / RAMP_FRAMES
    weights = np.asarray(speech) * ramp
    return np.asarray(weights @ probabilities / weights.sum())
