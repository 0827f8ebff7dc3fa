"""Reads the samples of one file with libsndfile, sequentially.

It never seeks: some formats cannot, and others end up elsewhere or restart without end.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from edgeser.audio.chunk import MOST_CHANNELS, check_rate
from edgeser.errors import AudioError

Block = npt.NDArray[np.float32]
_UNKNOWN = 1 << 56
"""libsndfile's numbers for a length that it does not know are near 2 ** 63."""
_SAMPLES_PER_BYTE = 8_192
"""More than any format has, digital silence in FLAC included."""


class Decoder:
    """A sound file's rate, channels and blocks. A context manager.

    Args:
        file: at its first byte; not closed.

    Raises:
        AudioError: it is not an audio file, or its rate or number of channels is not supported.
    """

    def __init__(self, file: BinaryIO) -> None:
        import soundfile

        class Forwards(soundfile.SoundFile):  # type: ignore[misc]
            def seekable(self) -> bool:
                return False

        self._errors = soundfile.SoundFileError
        try:
            # The descriptor, not the name: some names mean something to soundfile.
            self._sound = Forwards(file.fileno(), closefd=False)
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"cannot be read as audio ({_said(error)}); WAV, FLAC, Ogg and MP3 are supported"
            ) from None
        try:
            self.rate = check_rate(self._sound.samplerate)
            self.channels: int = self._sound.channels
            if self.channels > MOST_CHANNELS:
                raise AudioError(
                    f"has {self.channels} channels, more than {MOST_CHANNELS}: keep only those "
                    "with the voice"
                )
        except AudioError:
            self._sound.close()
            raise
        told = int(self._sound.frames)
        self.length = told if 0 <= told < _UNKNOWN else 0
        """Samples per channel, as far as the file says; 0 if it does not."""
        self.given = 0
        """Samples per channel that were read."""
        self._most = _SAMPLES_PER_BYTE * (1 << 16 | os.fstat(file.fileno()).st_size)

    def read(self, most: int) -> Block:
        """The next samples, (n, channels) with n up to ``most``; n is 0 at the end.

        Raises:
            AudioError: the file is damaged here.
        """
        block = np.empty((most, self.channels), np.float32)
        try:
            count = len(self._sound.read(out=block))
        except self._errors as error:
            after = f" after {self.given / self.rate:.0f} s or more" if self.given else ""
            raise AudioError(
                f"is damaged or cut short{after} ({_said(error)}): repair or convert it"
            ) from None
        self.given += count
        if self.given > self._most:
            raise AudioError("is damaged: decoding does not end; repair or convert it")
        return block[:count]

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sound.close()


def _said(error: Exception) -> str:
    """The decoder's message, replaced where it is misleading."""
    text = str(getattr(error, "error_string", error))
    if "does not exist" in text:  # what it says of an MP3 with less than a frame
        return "it has almost no data"
    if "internal" in text.lower():
        return "its header is invalid"
    return text.removeprefix("Error : ").rstrip(".")
