"""Checks of chunks and sample rates, with the rules of the core: ``csrc/stream/chunk.hpp``.

Nothing is guessed: neither the scale, nor the rate, nor which axis is time.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.errors import AudioError
from edgeser.native import kernels

MOST_CHANNELS = 32
LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
"""Hz."""

Samples = npt.NDArray[np.float32]


def check_rate(sample_rate: int) -> int:
    """The rate as an int. Raises AudioError unless it is an integer from 8000 to 192000 Hz."""
    try:
        if isinstance(sample_rate, bool | np.bool_):
            raise TypeError
        rate = operator.index(sample_rate)
    except TypeError:
        raise AudioError(
            f"the sample rate must be a whole number of Hz, not {sample_rate!r}: pass an int"
        ) from None
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"a sample rate of {rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz: "
            "state the rate at which the samples were taken, in Hz"
        )
    return rate


def to_mono(chunk: npt.NDArray[Any], sample_rate: int) -> Samples:
    """Checks ``chunk`` as streams do, and returns it as mono: float32 (n,) in [-1, 1].

    Channels are averaged. The result shares no memory with ``chunk``.

    Args:
        chunk: (n,) or (n, channels), 1 to 32 channels; int16, or float32 or float64 in [-1, 1].
        sample_rate: Hz.

    Raises:
        AudioError: for anything else, with what to do about it.
    """
    mono: Samples = kernels().to_mono(chunk, sample_rate)
    return mono
