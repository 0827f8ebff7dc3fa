"""Recordings as 16 kHz samples, read once and cached on disk."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from edgeser.audio.chunk import to_mono
from edgeser.audio.recording import open_recording
from edgeser.errors import AudioError
from train.data.manifest import CorpusError, Recording
from train.files import atomic_write
from train.models.segment import SAMPLE_RATE

VERSION = 3
FULL_SCALE = 32767.0


def read_audio(path: Path) -> NDArray[np.float32]:
    """Mono 16 kHz samples of a file in any format that the SDK reads, one at least.

    Reads like the SDK: a truncated file as far as it goes (logged), and concatenated ones
    completely. Raises CorpusError if the file is missing, damaged or empty, or if its floats are
    not in [-1, 1].
    """
    if not path.is_file():
        raise CorpusError(f"no recording at {path}: the corpus is incomplete or was moved")
    try:
        with open_recording(path, None) as recording:
            blocks = [to_mono(block, recording.sample_rate) for block in recording.blocks]
    except AudioError as error:
        raise CorpusError(f"cannot read {error}") from error
    mono: NDArray[np.float32] = np.concatenate(blocks)
    if recording.sample_rate != SAMPLE_RATE:
        mono = soxr.resample(mono, recording.sample_rate, SAMPLE_RATE).astype(np.float32)
    return mono


class AudioCache:
    """Samples of a list of recordings in two files: one flat array of 16 bits, one index.

    ``change`` is applied to each recording before it is written; ``name`` is part of the file's
    name.
    """

    def __init__(
        self,
        folder: Path,
        recordings: Sequence[Recording],
        name: str = "audio",
        change: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        # Independent of where the corpora are: folder name, file name and size identify a
        # recording.
        listing = "\n".join(
            f"{r.path.parent.name}/{r.path.name} {_size(r.path)}" for r in recordings
        )
        key = hashlib.sha256(f"{VERSION}\n{name}\n{listing}".encode()).hexdigest()[:16]
        self._data, self._index = folder / f"{key}.s16", folder / f"{key}.npy"
        if not self._index.is_file():
            self._write(recordings, name, change)
        self._ends = np.load(self._index)
        self._samples = np.memmap(self._data, np.int16, mode="r")

    def _write(
        self,
        recordings: Sequence[Recording],
        name: str,
        change: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None,
    ) -> None:
        ends, total = [], 0
        with atomic_write(self._data) as partial, partial.open("wb") as file:
            for recording in tqdm(recordings, desc=name, unit="file"):
                samples = read_audio(recording.path)
                if change:
                    samples = change(samples)
                file.write(np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype(np.int16).tobytes())
                total += len(samples)
                ends.append(total)
        with atomic_write(self._index) as partial, partial.open("wb") as file:
            np.save(file, np.array(ends))

    def __len__(self) -> int:
        return len(self._ends)

    def samples(self, i: int) -> int:
        """Samples of recording i."""
        return int(self._ends[i] - (self._ends[i - 1] if i else 0))

    def raw(self, i: int) -> NDArray[np.int16]:
        """Recording i as stored: mono, 16 bits, 16 kHz; a view of the file."""
        return self._samples[self._ends[i - 1] if i else 0 : self._ends[i]]

    def __getitem__(self, i: int) -> NDArray[np.float32]:
        """Recording i, mono float32 in [-1, 1] at 16 kHz."""
        start = self._ends[i - 1] if i else 0
        return self._samples[start : self._ends[i]].astype(np.float32) / np.float32(FULL_SCALE)


def _size(path: Path) -> int:
    if not path.is_file():
        raise CorpusError(f"no recording at {path}: the corpus is incomplete or was moved")
    return path.stat().st_size
