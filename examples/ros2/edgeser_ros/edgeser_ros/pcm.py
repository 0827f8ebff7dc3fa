"""Converts bytes of audio messages to samples, wherever the messages were split."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.errors import AudioError

FORMATS = {"S16LE": "<i2", "S16BE": ">i2", "S32LE": "<i4", "F32LE": "<f4"}
"""GStreamer's name of a sample format, which ``audio_capture`` uses too, to NumPy's."""
PCM_CODINGS = ("", "pcm", "raw", "wave", "wav")

_MAGIC = {b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC", b"RIFF": "a WAV file", b"FORM": "AIFF"}
_MP3_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_RATES = (44_100, 48_000, 32_000)


class PcmReader:
    """Samples of one stream of messages; a sample split between two messages is joined.

    Args:
        sample_format: a key of :data:`FORMATS`.
        channels: interleaved, from 1 to 255.

    Raises:
        AudioError: the format or the number of channels is not supported.
    """

    def __init__(self, sample_format: str = "S16LE", channels: int = 1) -> None:
        if sample_format not in FORMATS:
            raise AudioError(
                f"sample format {sample_format!r} is not supported: use {', '.join(FORMATS)}"
            )
        if not 1 <= channels <= 255:
            raise AudioError(f"{channels} channels: give a number from 1 to 255")
        self._dtype, self._channels = np.dtype(FORMATS[sample_format]), channels
        self._rest = b""
        self._begun = False

    @property
    def carried(self) -> int:
        """Bytes of an incomplete sample."""
        return len(self._rest)

    def check(self, data: bytes) -> None:
        """Raises AudioError if these are the first bytes and certainly not PCM."""
        coding = None if self._begun else coding_of(data)
        if coding is not None:
            raise AudioError(
                f"the messages hold {coding}, not PCM: set the source's format to wave "
                "(audio_capture: format:=wave)"
            )

    def read(self, data: bytes) -> npt.NDArray[Any]:
        """The whole samples of the next bytes: (n, channels), int16 or float32."""
        self._begun = self._begun or bool(data)
        data = self._rest + data
        frame = self._dtype.itemsize * self._channels
        whole = len(data) // frame * frame
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], self._dtype).reshape(-1, self._channels)
        if self._dtype.kind == "f":
            return samples.astype(np.float32)
        if self._dtype.itemsize == 4:
            return (samples / np.float32(2**31)).astype(np.float32)
        return samples.astype(np.int16)

    def forget(self) -> None:
        """Drops an incomplete sample, because messages were lost."""
        self._rest = b""
        self._begun = False


def check_info(
    info_rate: int, info_channels: int, info_format: str, info_coding: str, *, rate: int, like: str
) -> None:
    """Compares the source's ``AudioInfo`` with the node's parameters.

    Args:
        info_rate: the source's rate in Hz.
        info_channels: its number of channels, at least 1.
        info_format: its sample format.
        info_coding: its coding.
        rate: the node's rate in Hz.
        like: the node's format and channels, such as ``S16LE/1``.

    Raises:
        AudioError: they differ.
    """
    if info_coding.lower() not in PCM_CODINGS:
        raise AudioError(
            f"the source sends {info_coding!r}, not PCM: set its format to wave "
            "(audio_capture: format:=wave)"
        )
    said = f"{info_format}/{info_channels}"
    if info_rate != rate or said != like:
        raise AudioError(
            f"the source sends {said} at {info_rate} Hz, but this node expects {like} at {rate} "
            "Hz: set its sample_format, channels and sample_rate to those of the source"
        )


def coding_of(data: bytes) -> str | None:
    """The name of the coding of these first bytes, if they are certainly not PCM.

    MP3 without a tag begins with 11 set bits, which PCM may do as well; two consecutive frames are
    certain.
    """
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    length = _mp3_frame(data)
    if length is not None and _mp3_frame(data[length:]) is not None:
        return "MP3"
    return None


def _mp3_frame(data: bytes) -> int | None:
    """Bytes of the MPEG-1 layer 3 frame that the data begins with, if it does."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xFE != 0xFA:
        return None
    kbits, rate = data[2] >> 4, data[2] >> 2 & 3
    if kbits in (0, 15) or rate == 3:
        return None
    return 144_000 * _MP3_KBITS[kbits] // _MP3_RATES[rate] + (data[2] >> 1 & 1)
