"""Resamples a device that does not support the requested rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeser.microphone.backend import Source
from edgeser.native import kernels

_RANGE = np.iinfo(np.int16)


class ResampledSource:
    """See :class:`edgeser.microphone.backend.Source`: another one, heard at another rate.

    The same filter as a stream's own, channel by channel, rounded to int16 again. What comes out is
    late by the filter's half width, 1 to 7 ms.

    Args:
        source: open; closed with this one.
        rate_in: Hz, of the source.
        rate_out: Hz, of what is read here.
    """

    def __init__(self, source: Source, rate_in: int, rate_out: int) -> None:
        self._source = source
        self._resampler = kernels().Resampler(rate_in, rate_out)
        self._states: list[npt.NDArray[np.uint8]] = []

    def read(self) -> npt.NDArray[np.int16]:
        """What has come since the last call and is complete at the new rate; may be nothing."""
        samples = self._source.read()
        while len(self._states) < samples.shape[1]:
            self._states.append(np.zeros(self._resampler.state_bytes, np.uint8))
        floats = samples.T.astype(np.float32, order="C")
        channels = [
            self._resampler.process(channel, state)
            for channel, state in zip(floats, self._states, strict=True)
        ]
        rounded = np.rint(np.stack(channels, axis=1)).clip(_RANGE.min, _RANGE.max)
        resampled: npt.NDArray[np.int16] = rounded.astype(np.int16)
        return resampled

    def close(self) -> None:
        """Give the device back."""
        self._source.close()
