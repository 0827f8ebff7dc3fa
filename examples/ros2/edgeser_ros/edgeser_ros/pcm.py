"""Bytes of audio messages to samples, wherever the messages were cut."""

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
    """Samples of one stream of messages; what a message cuts in two waits for the next.

    Args:
        sample_format: a key of :data:`FORMATS`.
        channels: interleaved, from 1 to 255.

    Raises:
        AudioError: the format or the channels are none that can be read.
    """

    def __init__(self, sample_format: str = "S16LE", channels: int = 1) -> None:
        if sample_format not in FORMATS:
            raise AudioError(
                f"sample format {sample_format!r}: have the source send one of {', '.join(FORMATS)}"
            )
        if not 1 <= channels <= 255:
            raise AudioError(f"{channels} channels: give a number from 1 to 255")
        self._dtype, self._channels = np.dtype(FORMATS[sample_format]), channels
        self._rest = b""
        self._begun = False

    @property
    def carried(self) -> int:
        """Bytes that wait for the rest of their sample."""
        return len(self._rest)

    def check(self, data: bytes) -> None:
        """Raises AudioError if these are the first bytes and surely no PCM."""
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
        """Messages were lost: what waited has lost its other half."""
        self._rest = b""
        self._begun = False


def check_info(
    info_rate: int, info_channels: int, info_format: str, info_coding: str, *, rate: int, like: str
) -> None:
    """Hold what ``AudioInfo`` says of the source against the parameters.

    Args:
        info_rate: Hz that the source says.
        info_channels: channels that it says, at least 1.
        info_format: its sample format.
        info_coding: its coding.
        rate: Hz that the node was told.
        like: format and channels that the node was told, as ``S16LE/1``.

    Raises:
        AudioError: they contradict each other.
    """
    if info_coding.lower() not in PCM_CODINGS:
        raise AudioError(
            f"the source sends {info_coding!r}, not PCM: set its format to wave "
            "(audio_capture: format:=wave)"
        )
    said = f"{info_format}/{info_channels}"
    if info_rate != rate or said != like:
        raise AudioError(
            f"the source sends {said} at {info_rate} Hz and this node was told {like} at {rate} "
            "Hz: make sample_format, channels and sample_rate of both the same"
        )


def coding_of(data: bytes) -> str | None:
    """The name of what these first bytes are, if they are surely no PCM.

    MP3 without a tag begins with 11 set bits, as quiet PCM may: two of its frames in a row make it
    sure.
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
