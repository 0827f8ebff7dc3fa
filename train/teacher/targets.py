"""The front end's training targets: a teacher's layers over recordings, reduced to a few numbers.

Features are computed once per corpus and stored. The targets are their principal components, from
speech of the training speakers only: D numbers every 20 ms, averaged over a token's segment.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from train.files import atomic_write
from train.models.segment import HOP, SEGMENT
from train.teacher.whisper import SAMPLE_RATE, STEP, WhisperEncoder

BATCH = 16
LONGEST = 29 * SAMPLE_RATE
PADDING = 1600
"""Samples of silence after every recording, so that it does not end abruptly."""

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """A teacher's vectors of many recordings: rows (N, W) float16, and each one's end."""

    rows: NDArray[np.float16]
    ends: NDArray[np.int64]

    def of(self, index: int) -> NDArray[np.float16]:
        """The vectors of one recording, one every 20 ms."""
        return self.rows[self.ends[index - 1] if index else 0 : self.ends[index]]

    @staticmethod
    def load(path: Path) -> "Features":
        """Loads what :func:`compute` stored."""
        return Features(np.load(path, mmap_mode="r"), np.load(path.with_suffix(".ends.npy")))


def compute(teacher: WhisperEncoder, audio: Sequence[Samples], path: Path) -> Features:
    """The teacher's features of recordings (samples,) at 16 kHz, kept at ``path`` (``.npy``)."""
    if path.is_file():
        return Features.load(path)
    found: list[NDArray[np.float16]] = [np.zeros((0, 1), np.float16)] * len(audio)
    cpu = torch.device("cpu")
    heard = tqdm(vectors_of(teacher, audio, cpu), f"teacher: {path.stem}", len(audio))
    for i, vectors in heard:
        found[i] = vectors.half().numpy()
    ends = np.cumsum([len(f) for f in found])
    for name, array in ((path.with_suffix(".ends.npy"), ends), (path, np.concatenate(found))):
        with atomic_write(name) as partial, partial.open("wb") as file:
            np.save(file, array)
    return Features.load(path)


def vectors_of(
    teacher: WhisperEncoder, audio: Sequence[Samples], device: torch.device, batch: int = BATCH
) -> Iterator[tuple[int, Tensor]]:
    """Index of each recording and its teacher's vectors (N, W); equal lengths are batched."""
    order = sorted(range(len(audio)), key=lambda i: len(audio[i]))
    for first in range(0, len(order), batch):
        some = order[first : first + batch]
        sounds = [audio[i][:LONGEST] for i in some]
        longest = -(-(max(map(len, sounds)) + PADDING) // STEP) * STEP
        waves = torch.zeros(len(some), longest)
        for row, sound in zip(waves, sounds, strict=True):
            row[: len(sound)] = torch.from_numpy(sound)
        for i, sound, vectors in zip(some, sounds, teacher(waves.to(device)), strict=True):
            yield i, vectors[: -(-len(sound) // STEP)]


@dataclass(frozen=True)
class Projection:
    """Principal components of a teacher's features, (W, D), scaled to comparable sizes."""

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]

    @staticmethod
    def fit(features: Iterable[NDArray[np.float16]], width: int) -> "Projection":
        """From the features of training speakers. ``width`` is D.

        Each feature is standardised first. A component's scale is the fourth root of its variance,
        between plain rotation, where the first components dominate, and whitening, where the last
        ones amplify noise.
        """
        count, total, square = 0, 0.0, None
        for some in features:
            x = some.astype(np.float32)
            count += len(x)
            total = total + x.sum(0)
            square = x.T @ x if square is None else square + x.T @ x
        if square is None:
            raise ValueError("a projection needs features: give those of some recordings")
        mean = np.asarray(total / count, np.float32)
        covariance = square / count - np.outer(mean, mean)
        deviation = np.sqrt(np.diag(covariance).clip(1e-8))
        values, vectors = np.linalg.eigh(covariance / np.outer(deviation, deviation))
        values, vectors = values[::-1][:width], vectors[:, ::-1][:, :width]
        scale = values.clip(1e-8) ** -0.25
        even = scale / np.sqrt(np.mean(values * scale**2))
        matrix = (vectors / deviation[:, None] * even).astype(np.float32)
        return Projection(mean, matrix)

    def __call__(self, rows: NDArray[np.float16]) -> NDArray[np.float32]:
        """(N, W) to (N, D)."""
        return np.asarray((rows.astype(np.float32) - self.mean) @ self.matrix, np.float32)


def of_tokens(
    rows: NDArray[np.float32], before: int, hops: int, speed: float = 1.0, start: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Each token's target in a stream: (hops, D), and which tokens have one, (hops,).

    ``rows`` (N, D) are the recording's, one every 20 ms. In the stream it begins at sample
    ``before``, from its own sample ``start`` on, played ``speed`` times as long. A token covers the
    segment that ends with its hop; tokens with less than half a segment of the recording have no
    target.
    """
    ends = (np.arange(1, hops + 1) * HOP - before) / speed + start
    first = np.clip((ends - SEGMENT / speed) / STEP, 0, len(rows))
    last = np.clip(ends / STEP, 0, len(rows))
    low, high = np.floor(first).astype(int), np.ceil(last).astype(int)
    sums = np.concatenate((np.zeros((1, rows.shape[1]), np.float32), rows.cumsum(0)))
    count = np.maximum(high - low, 1)
    target = (sums[high] - sums[np.minimum(low, high)]) / count[:, None]
    return target.astype(np.float32), last - first >= 0.5 * SEGMENT / speed / STEP
