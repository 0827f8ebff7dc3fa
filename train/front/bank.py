"""Recordings on a device: samples, samples without noise floor, and the teacher's features.

All are concatenated, so that any batch of cuts is one gather. Features are stored as cumulative
sums, so that a mean over any span is one difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.data.denoise import floor_removed
from train.front.material import Material, Spoken
from train.models.segment import SAMPLE_RATE
from train.teacher.targets import Projection, vectors_of
from train.teacher.whisper import WhisperEncoder


@dataclass(frozen=True)
class Flat:
    """Concatenated sounds."""

    samples: Tensor
    """(S,) int16."""
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @staticmethod
    def of(sounds: Sequence[NDArray[np.int16]], device: torch.device) -> "Flat":
        lengths = np.array([len(s) for s in sounds], np.int64)
        flat = torch.from_numpy(np.concatenate(sounds)).to(device)
        return Flat(flat, np.cumsum(lengths) - lengths, lengths)

    def and_also(self, other: "Flat") -> "Flat":
        """Appends the other's sounds."""
        return Flat(
            torch.cat([self.samples, other.samples]),
            np.concatenate([self.starts, other.starts + len(self.samples)]),
            np.concatenate([self.lengths, other.lengths]),
        )


@dataclass(frozen=True)
class Bank:
    """Speech on a device, and metadata of each recording on the host."""

    audio: Flat
    clean: Tensor
    """(S,) int16: without the noise floor where that is mixed in, otherwise the same."""
    sums: Tensor
    """(F + R, D): for a recording's n vectors the sums of the first 0, 1, …, n."""
    squares: Tensor
    """The same for their squares."""
    rows: NDArray[np.int64]
    """Index of a recording's first sum."""
    counts: NDArray[np.int64]
    """Number of its vectors."""
    emotion: NDArray[np.int64]
    corpus: NDArray[np.int64]
    """Index among the corpora with emotions, or -1."""
    names: tuple[str, ...]
    """Names of those corpora."""
    often: NDArray[np.int64]
    """Repetitions of a recording per epoch."""
    held: NDArray[np.bool_]

    @property
    def hours(self) -> float:
        """Hours of audio."""
        return round(len(self.audio.samples) / SAMPLE_RATE / 3600, 2)

    def and_also(self, other: "Bank") -> "Bank":
        """Appends the other's recordings, none of which has an emotion."""
        return Bank(
            self.audio.and_also(other.audio),
            torch.cat([self.clean, other.clean]),
            torch.cat([self.sums, other.sums]),
            torch.cat([self.squares, other.squares]),
            np.concatenate([self.rows, other.rows + len(self.sums)]),
            np.concatenate([self.counts, other.counts]),
            np.concatenate([self.emotion, other.emotion]),
            np.concatenate([self.corpus, other.corpus]),
            self.names,
            np.concatenate([self.often, other.often]),
            np.concatenate([self.held, other.held]),
        )


def bank(material: Material, often: dict[str, int], device: torch.device, batch: int = 64) -> Bank:
    """Computes everything that is not in the pack."""
    spoken = material.spoken
    names = tuple(dict.fromkeys(s.corpus for s in spoken if s.emotion >= 0))
    audio = Flat.of([s.samples for s in spoken], device)
    clean = audio.samples.clone()
    for start, one in zip(audio.starts, spoken, strict=True):
        if one.corpus in names:
            span = slice(int(start), int(start) + len(one.samples))
            samples = audio.samples[span].float() / 32768
            clean[span] = (floor_removed(samples).clamp(-1, 1) * 32767).round().short()
    sums, squares, counts = _features(material, device, batch)
    return Bank(
        audio,
        clean,
        sums,
        squares,
        np.cumsum(counts + 1) - (counts + 1),
        counts,
        np.array([s.emotion for s in spoken]),
        np.array([names.index(s.corpus) if s.corpus in names else -1 for s in spoken]),
        names,
        np.array([often.get(s.corpus, 1) for s in spoken]),
        np.array([s.held for s in spoken]),
    )


def _features(
    material: Material, device: torch.device, batch: int
) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    teacher = WhisperEncoder.load(material.teacher).to(device)
    mean, matrix = _on(material.projection, device)
    found = [torch.empty(0)] * len(material.spoken)
    audio = [_floats(s) for s in material.spoken]
    for i, vectors in vectors_of(teacher, audio, device, batch):
        found[i] = (vectors - mean) @ matrix
    return summed(found)


def summed(vectors: Sequence[Tensor]) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """Sums, squares and counts of :class:`Bank`, of each recording's vectors (N, D)."""
    counts = np.array([len(v) for v in vectors], np.int64)
    sums = vectors[0].new_zeros(int(counts.sum()) + len(vectors), vectors[0].shape[1])
    squares, row = torch.zeros_like(sums), 0
    for v in vectors:
        sums[row + 1 : row + 1 + len(v)] = v.cumsum(0)
        squares[row + 1 : row + 1 + len(v)] = v.square().cumsum(0)
        row += len(v) + 1
    return sums, squares, counts


def _on(projection: Projection, device: torch.device) -> tuple[Tensor, Tensor]:
    return (
        torch.from_numpy(projection.mean).to(device),
        torch.from_numpy(projection.matrix).to(device),
    )


def _floats(one: Spoken) -> NDArray[np.float32]:
    return one.samples.astype(np.float32) / np.float32(32768)
