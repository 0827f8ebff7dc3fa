"""Which hops of a clean recording are speech."""

import numpy as np
from numpy.typing import NDArray

from train.models.segment import HOP
from train.models.spectrogram import FRAME_HOP

BELOW_DB = 30.0
"""A frame is speech if it is at most this far below the recording's 95th percentile."""
SOFTEST_DB = -80.0
SHARE = 0.25
"""A hop is speech if this share of its frames is."""


def speech_hops(samples: NDArray[np.float32], before: int, hops: int) -> NDArray[np.bool_]:
    """Hops of a clean recording that begins after ``before`` samples: bool (hops,)."""
    frames = len(samples) // FRAME_HOP
    spoken = np.zeros(hops * HOP // FRAME_HOP, np.bool_)
    if frames:
        energy = np.square(samples[: frames * FRAME_HOP].reshape(frames, FRAME_HOP)).mean(1)
        decibels = 10 * np.log10(energy + 1e-12)
        heard = (decibels > np.quantile(decibels, 0.95) - BELOW_DB) & (decibels > SOFTEST_DB)
        start = before // FRAME_HOP
        spoken[start : start + frames] = heard[: len(spoken) - start]
    share: NDArray[np.bool_] = spoken.reshape(hops, -1).mean(1) >= SHARE
    return share
