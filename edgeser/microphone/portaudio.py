"""PortAudio, through PyAudio: every system's microphones behind one interface."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.errors import MicrophoneError
from edgeser.microphone.backend import Overflow
from edgeser.microphone.device import Device

_BUFFERS_PER_SECOND = 20
_OVERFLOWED = -9981  # paInputOverflowed
_MISSING = (
    "the microphone needs PyAudio and PortAudio: pip install 'edgeser[mic]' "
    "(before it, on Debian, Ubuntu and Jetson: apt install portaudio19-dev; "
    "on macOS: brew install portaudio)"
)


class PortAudio:
    """See :class:`edgeser.microphone.backend.Backend`.

    PortAudio looks for devices only when it is initialised, so each call does that anew. While
    other code in the process keeps PortAudio initialised, devices plugged in since stay unseen.
    """

    def devices(self) -> list[Device]:
        """All devices with an input."""
        with _portaudio() as library:
            try:
                default = int(library.get_default_input_device_info()["index"])
            except OSError:
                default = None
            infos = map(library.get_device_info_by_index, range(library.get_device_count()))
            return [
                Device(
                    name=str(info["name"]),
                    index=int(info["index"]),
                    channels=int(info["maxInputChannels"]),
                    rate=round(info["defaultSampleRate"]),
                    default=info["index"] == default,
                )
                for info in infos
                if info["maxInputChannels"] > 0
            ]

    def open(self, device: Device, rate: int, channels: int) -> PortAudioSource:
        """Record from a device."""
        return PortAudioSource(device, rate, channels)


class PortAudioSource:
    """See :class:`edgeser.microphone.backend.Source`."""

    def __init__(self, device: Device, rate: int, channels: int) -> None:
        self._name = device.name
        self._channels = channels
        self._library = _initialise()
        try:
            with _hushed():
                self._stream = self._library.open(
                    rate=rate,
                    channels=channels,
                    format=8,  # paInt16
                    input=True,
                    input_device_index=device.index,
                    frames_per_buffer=rate // _BUFFERS_PER_SECOND,
                )
        except (OSError, ValueError) as error:
            self._library.terminate()
            raise MicrophoneError(
                f"{device.name!r} cannot be opened at {rate} Hz with {channels} channels "
                f"({_said(error)}): it may be busy with another program, or unplugged"
            ) from None

    def read(self) -> npt.NDArray[np.int16]:
        """What has come since the last call."""
        try:
            waiting = self._stream.get_read_available()
            if waiting == _OVERFLOWED:
                raise Overflow
            if waiting < 0:
                raise MicrophoneError(f"{self._name!r} is gone (PortAudio error {waiting})")
            data = self._stream.read(waiting, exception_on_overflow=True) if waiting else b""
        except OSError as error:
            if _OVERFLOWED in error.args:
                raise Overflow from None
            raise MicrophoneError(f"{self._name!r} is gone ({_said(error)})") from None
        return np.frombuffer(data, np.int16).reshape(-1, self._channels)

    def close(self) -> None:
        """Give the device back."""
        with _hushed():
            with suppress(OSError):  # what is gone cannot be stopped
                self._stream.close()
            self._library.terminate()


@contextmanager
def _portaudio() -> Iterator[Any]:
    library = _initialise()
    try:
        yield library
    finally:
        library.terminate()


def _initialise() -> Any:
    try:
        import pyaudio
    except ImportError as error:  # PyAudio, or the shared library under it
        raise MicrophoneError(_MISSING) from error
    with _hushed():
        try:
            return pyaudio.PyAudio()
        except OSError as error:
            raise MicrophoneError(
                f"PortAudio cannot start ({_said(error)}): is the sound server running?"
            ) from None


def _said(error: Exception) -> str:
    return ", ".join(str(part) for part in reversed(error.args)) or type(error).__name__


_hush = threading.Lock()


@contextmanager
def _hushed() -> Iterator[None]:
    """Keeps messages of ALSA and JACK about missing devices off standard error.

    They write from C, dozens of lines each time, so the descriptor itself is turned away: for the
    tenth of a second that this takes, what other threads write there is lost as well.
    """
    with _hush:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (AttributeError, OSError):  # no standard error at all
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
