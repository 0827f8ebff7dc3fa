"""Power spectrograms of recordings, computed once and cached on disk.

A cache entry is the spectrogram in dB, float16 (error below 0.07 dB), frames x 129, of the
recording as a stream sees it: led in by 2176 zero samples and padded with zeros to whole hops of
2048.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from train.data.manifest import CorpusError, Recording
from train.models.level import decibels
from train.models.segment import HOP, LEAD, SAMPLE_RATE
from train.models.spectrogram import BINS, Spectrogram

VERSION = 2


def read_audio(path: Path, limit_seconds: float | None = None) -> NDArray[np.float32]:
    """Mono 16 kHz samples of a file in any format that libsndfile reads."""
    if not path.is_file():
        raise CorpusError(f"no recording at {path}: the corpus is incomplete or was moved")
    try:
        with soundfile.SoundFile(path) as file:
            frames = -1 if limit_seconds is None else int(limit_seconds * file.samplerate)
            samples, rate = file.read(frames, dtype="float32", always_2d=True), file.samplerate
    except soundfile.LibsndfileError as error:
        raise CorpusError(f"cannot read {path}: {error}") from error
    mono: NDArray[np.float32] = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE).astype(np.float32)
    return mono


def spectrogram_db(samples: NDArray[np.float32], spectrogram: Spectrogram) -> NDArray[np.float16]:
    """Mono 16 kHz samples to dB (16 (T + 1), 129), T = ceil(samples / 2048)."""
    tokens = -(-len(samples) // HOP)
    padded = np.pad(samples, (LEAD, tokens * HOP - len(samples)))
    with torch.no_grad():
        power = spectrogram(torch.from_numpy(padded)[None])[0]
        return decibels(power).numpy().astype(np.float16)


class FeatureCache:
    """Spectrograms of a list of recordings in two files: one flat array, one index."""

    def __init__(self, folder: Path, recordings: Sequence[Recording]) -> None:
        listing = "\n".join(str(r.path) for r in recordings)
        key = hashlib.sha256(f"{VERSION}\n{listing}".encode()).hexdigest()[:16]
        self._data, self._index = folder / f"{key}.f16", folder / f"{key}.npy"
        if not self._index.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            self._write(recordings)
        self._ends = np.load(self._index)
        self._frames = np.memmap(self._data, np.float16, mode="r").reshape(-1, BINS)

    def _write(self, recordings: Sequence[Recording]) -> None:
        spectrogram, ends, total = Spectrogram(), [], 0
        with self._data.open("wb") as file:
            for recording in tqdm(recordings, desc="spectrograms", unit="file"):
                frames = spectrogram_db(read_audio(recording.path), spectrogram)
                file.write(frames.tobytes())
                total += len(frames)
                ends.append(total)
        np.save(self._index, np.array(ends))

    def __len__(self) -> int:
        return len(self._ends)

    def frames(self, i: int) -> int:
        """Frames of recording i."""
        return int(self._ends[i] - (self._ends[i - 1] if i else 0))

    def __getitem__(self, i: int) -> NDArray[np.float16]:
        """Spectrogram of recording i in dB, (frames, 129)."""
        start = self._ends[i - 1] if i else 0
        return np.asarray(self._frames[start : self._ends[i]])
