"""The interface to a recording library."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeser.microphone.device import Device


class Overflow(Exception):  # noqa: N818 - it happens, and is no error
    """The system dropped audio that was not read in time. The device still works."""


class Source(Protocol):
    """An open device. It belongs to one thread at a time."""

    def read(self) -> npt.NDArray[np.int16]:
        """What has come since the last call: (n, channels), n may be 0. Never blocks.

        Raises:
            Overflow: some of it was dropped.
            MicrophoneError: the device is gone.
        """

    def close(self) -> None:
        """Releases the device. Never raises, may be called twice."""


class Backend(Protocol):
    """A library for recording."""

    def devices(self) -> list[Device]:
        """All devices with an input, as they are now.

        Raises:
            MicrophoneError: the library is missing or does not work.
        """

    def open(self, device: Device, rate: int, channels: int) -> Source:
        """Record from a device as int16 at ``rate`` Hz.

        Raises:
            MicrophoneError: it is busy, gone, or refuses these.
        """
