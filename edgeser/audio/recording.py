"""Whole recordings, block by block: files through libsndfile, arrays by slicing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.audio.chunk import check_rate
from edgeser.errors import AudioError

BLOCK_SECONDS = 4
"""How much of a recording is in memory at a time."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Something with a rate, a length and blocks; the blocks can be read once."""

    source: str | None
    sample_rate: int
    length: int
    """Samples per channel, as far as the file knows."""
    blocks: Iterator[npt.NDArray[Any]]


@contextmanager
def open_recording(
    source: str | os.PathLike[str] | npt.NDArray[Any], sample_rate: int | None
) -> Iterator[Recording]:
    """Open a file, or an array with its rate.

    Raises:
        AudioError: it cannot be opened, is empty, or ``sample_rate`` is missing or superfluous.
    """
    if isinstance(source, str | os.PathLike):
        if sample_rate is not None:
            raise AudioError("a file knows its own sample rate: leave sample_rate out")
        with _open_file(Path(source)) as recording:
            yield recording
        return
    if not isinstance(source, np.ndarray):
        raise AudioError(
            f"a recording is a path or a numpy array, not {type(source).__name__}: give the file's "
            "path, or numpy.asarray of the samples and sample_rate="
        )
    if sample_rate is None:
        raise AudioError("an array does not know its sample rate: pass sample_rate=")
    yield _from_array(source, check_rate(sample_rate))


def _from_array(array: npt.NDArray[Any], sample_rate: int) -> Recording:
    length = len(array) if array.ndim else 0
    if length == 0:
        raise AudioError("the recording is empty: there is nothing to judge")
    step = BLOCK_SECONDS * sample_rate
    return Recording(
        None, sample_rate, length, (array[at : at + step] for at in range(0, length, step))
    )


@contextmanager
def _open_file(path: Path) -> Iterator[Recording]:
    import soundfile

    if path.is_dir():
        raise AudioError(f"{path}: is a folder; give the files in it")
    if not path.is_file():
        raise AudioError(f"{path}: there is no such file")
    try:
        with soundfile.SoundFile(path) as file:
            rate, length = file.samplerate, file.frames
            if length == 0:
                raise AudioError(f"{path}: the file holds no audio")
            blocks = file.blocks(BLOCK_SECONDS * rate, dtype="float32", always_2d=True)
            yield Recording(str(path), check_rate(rate), length, blocks)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: cannot be read as audio ({error.error_string.rstrip('.')}); "
            "WAV, FLAC, Ogg and MP3 files are understood"
        ) from None
    except AudioError as error:
        if str(error).startswith(str(path)):
            raise
        raise AudioError(f"{path}: {error}") from None
