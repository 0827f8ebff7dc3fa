"""One chunk from a caller, checked and brought to mono float32 in [-1, 1].

Nothing is guessed: not the scale, not the rate, not which axis is time.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.errors import AudioError

LARGEST_SAMPLE = 8.0
"""Floats above this magnitude are not [-1, 1] with headroom; they are at another scale."""
MOST_CHANNELS = 32
LONGEST_CHUNK = 300.0
"""Seconds. A call computes before it returns, so an hour in one call is an accident."""
LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
"""Hz."""

Samples = npt.NDArray[np.float32]


def check_rate(sample_rate: int) -> int:
    """The rate as an int. Raises AudioError unless it is a whole number from 8000 to 192000 Hz."""
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
    """Check ``chunk`` and return it as mono: a contiguous float32 array (n,) in [-1, 1].

    Channels are averaged. The result may share memory with ``chunk``.

    Args:
        chunk: (n,) or (n, channels), 1 to 32 channels; int16, or float32 or float64 in [-1, 1].
        sample_rate: Hz.

    Raises:
        AudioError: for anything else, with what to do about it.
    """
    if not isinstance(chunk, np.ndarray):
        raise AudioError(_not_an_array(chunk))
    if type(chunk) is not np.ndarray:
        if isinstance(chunk, np.ma.MaskedArray):
            raise AudioError(
                "the chunk is a masked array: fill what is masked with chunk.filled(0)"
            )
        chunk = np.asarray(chunk)  # a matrix, a memory map: plain arrays do as is expected here
    if chunk.ndim not in (1, 2):
        raise AudioError(
            f"a chunk has shape (samples,) or (samples, channels), not {chunk.shape}: reshape it"
        )
    if chunk.size == 0:
        raise AudioError("the chunk is empty: skip the call when there is nothing to push")
    if chunk.ndim == 2 and chunk.shape[1] > MOST_CHANNELS:
        raise AudioError(
            f"the chunk has shape {chunk.shape}, that is {chunk.shape[1]} channels, and at most "
            f"{MOST_CHANNELS} are taken: if it is (channels, samples), pass chunk.T"
        )
    if len(chunk) > LONGEST_CHUNK * sample_rate:
        raise AudioError(
            f"the chunk is {len(chunk) / sample_rate:.0f} s long and a call takes at most "
            f"{LONGEST_CHUNK:.0f} s: push smaller chunks, or use model.analyze"
        )
    if chunk.dtype == np.int16:
        return _mix(chunk) * np.float32(1 / 32768)
    if chunk.dtype in (np.float32, np.float64):
        _check_range(chunk)
        return np.ascontiguousarray(_mix(chunk))
    raise AudioError(
        f"samples are {chunk.dtype}; they must be int16, or float32 or float64 in [-1, 1] "
        "(native byte order): convert them"
    )


def _mix(chunk: npt.NDArray[Any]) -> Samples:
    """The mean over channels, as float32 at the chunk's own scale.

    Channel by channel, so that the sum of a sample never depends on how many others there are or
    on how they lie in memory: a chunk's borders must not change a bit.
    """
    if chunk.ndim == 1:
        return chunk.astype(np.float32, copy=False)
    channels = chunk.shape[1]
    total = chunk[:, 0].astype(np.float32)
    if channels == 1:
        return total
    for channel in range(1, channels):
        total += chunk[:, channel].astype(np.float32, copy=False)
    total *= np.float32(1 / channels)
    return total


def _check_range(chunk: npt.NDArray[Any]) -> None:
    # NaN survives min and max and fails every comparison: two passes find all that can be wrong.
    # By the ufuncs themselves: the methods take as long again to get there.
    low = float(np.minimum.reduce(chunk, axis=None))
    high = float(np.maximum.reduce(chunk, axis=None))
    if low >= -LARGEST_SAMPLE and high <= LARGEST_SAMPLE:
        return
    finite = np.isfinite(chunk)
    if not finite.all():
        row = int(np.argmin(finite.reshape(len(chunk), -1).all(axis=1)))
        raise AudioError(
            f"sample {row} of the chunk is NaN or infinite: whatever made it is broken; "
            "replace such samples by 0 if they are expected"
        )
    raise AudioError(
        f"float samples reach {max(-low, high):g}; they must be in [-1, 1], and a few that clip, "
        f"up to {LARGEST_SAMPLE:g}, are let pass: {_scale(low, high)}"
    )


def _scale(low: float, high: float) -> str:
    """At which scale floats from low to high seem to be, and what brings them to [-1, 1]."""
    if low >= 0 and high <= 255:
        return "this looks like unsigned 8-bit scale; subtract 128, then divide by 128"
    if low >= 0 and 32_768 < high <= 65_535:
        return "this looks like unsigned 16-bit scale; subtract 32768, then divide by 32768"
    largest = max(-low, high)
    if largest <= 128:
        return "this looks like 8-bit scale; divide by the full scale of where they come from"
    if largest <= 32_768:
        return "this looks like int16 scale; divide by 32768, or pass int16"
    if largest <= 1 << 23:
        return f"this looks like 24-bit scale; divide by {1 << 23}"
    if largest <= 1 << 31:
        return f"this looks like int32 scale; divide by {1 << 31}"
    return "this is no scale of whole numbers; look for what made them so large"


def _not_an_array(chunk: object) -> str:
    kind = type(chunk).__name__
    if isinstance(chunk, bytes | bytearray | memoryview):
        return f"a chunk is a numpy array, not {kind}: use numpy.frombuffer(data, numpy.int16)"
    return f"a chunk is a numpy array, not {kind}: convert it with numpy.asarray"
