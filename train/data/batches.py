"""Batches of segments: recordings of different length, led in, augmented, cut and labelled."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from train.data.augment import Augment, AugmentConfig, speech_frames
from train.data.features import FeatureCache
from train.models.level import LevelConfig, RunningLevel
from train.models.segment import HOP_FRAMES, LEAD_FRAMES, SEGMENT_FRAMES, normalised_segments
from train.models.spectrogram import BINS


@dataclass(frozen=True)
class Example:
    """One recording: spectrogram, target distribution (empty: unknown), whether it is speech."""

    cache: FeatureCache
    index: int
    target: tuple[float, ...] = ()
    speech: bool = True

    @property
    def frames(self) -> int:
        return self.cache.frames(self.index)


@dataclass
class Batch:
    """Normalised segments (B, T, 32, 128), speech (B, T) bool, tokens (B,) int64, target (B, L)."""

    segments: Tensor
    speech: Tensor
    tokens: Tensor
    target: Tensor


class Assembler:
    """Turns examples into a batch, augmented if it has an ``Augment``."""

    def __init__(self, level: LevelConfig, augment: Augment | None = None, labels: int = 4) -> None:
        self.level, self.augment, self.labels = RunningLevel(level), augment, labels
        self.longest = 600
        """Frames (4.8 s) to which longer recordings are cut at random in training."""

    @torch.no_grad()
    def __call__(self, examples: Sequence[Example]) -> Batch:
        db, lengths = _padded([self._cut(e.cache[e.index][LEAD_FRAMES:]) for e in examples])
        if self.augment:
            db, lengths = self.augment.stretch(db, lengths)
        spoken = speech_frames(db, lengths)
        spoken &= torch.tensor([[e.speech] for e in examples])
        power = 10 ** (db / 10)
        loudness = (power.sum(-1) * spoken).sum(1) / spoken.sum(1).clamp(min=1)
        before, after = self._silences(len(examples))
        tokens = -(-(before + lengths + after) // HOP_FRAMES)
        power, spoken = _placed(power, spoken, lengths, before, int(tokens.max()))
        if self.augment:
            power = self.augment(power, loudness)
            power[:, :LEAD_FRAMES] = 0
        segments = normalised_segments(power, self.level)
        if self.augment:
            segments = self.augment.mask(segments)
        share = spoken.unfold(1, SEGMENT_FRAMES, HOP_FRAMES)[..., HOP_FRAMES:].float().mean(-1)
        target = torch.zeros(len(examples), self.labels)
        for i, example in enumerate(examples):
            if example.target:
                target[i] = torch.tensor(example.target)
        return Batch(segments, share >= 0.25, tokens, target)

    def _cut(self, spectrogram: NDArray[np.float16]) -> NDArray[np.float16]:
        if self.augment is None or len(spectrogram) <= self.longest:
            return spectrogram
        start = self.augment.position(len(spectrogram) - self.longest)
        return spectrogram[start : start + self.longest]

    def _silences(self, batch: int) -> tuple[Tensor, Tensor]:
        """Frames of silence before and after each: a live stream starts and ends anywhere."""
        if not self.augment:
            return torch.zeros(batch, dtype=torch.int64), torch.zeros(batch, dtype=torch.int64)
        return self.augment.silence(batch), self.augment.silence(batch)


def _padded(spectrograms: list[NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(s) for s in spectrograms])
    db = torch.full((len(spectrograms), int(lengths.max()), BINS), -160.0)
    for i, spectrogram in enumerate(spectrograms):
        db[i, : len(spectrogram)] = torch.from_numpy(spectrogram.astype(np.float32))
    return db, lengths


def _placed(
    power: Tensor, spoken: Tensor, lengths: Tensor, before: Tensor, tokens: int
) -> tuple[Tensor, Tensor]:
    """Put each recording where it starts in a stream of ``tokens`` hops."""
    frames = HOP_FRAMES * (tokens + 1)
    out = torch.full((len(lengths), frames, BINS), 1e-16)
    mask = torch.zeros(len(lengths), frames, dtype=torch.bool)
    for i, (start, length) in enumerate(
        zip((before + LEAD_FRAMES).tolist(), lengths.tolist(), strict=True)
    ):
        length = min(length, frames - start)
        out[i, start : start + length] = power[i, :length]
        mask[i, start : start + length] = spoken[i, :length]
    return out, mask


class Batches(IterableDataset[Batch]):
    """An epoch of batches. Recordings of about the same length share one."""

    def __init__(
        self,
        examples: Sequence[Example],
        size: int,
        level: LevelConfig,
        augment: AugmentConfig | None = None,
        noises: Sequence[Tensor] = (),
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self.examples, self.size, self.shuffle = examples, size, shuffle
        self.random = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        drawn = Augment(augment, noises, generator) if augment else None
        self.assemble = Assembler(level, drawn)

    def __len__(self) -> int:
        return (len(self.examples) + self.size - 1) // self.size

    def __iter__(self) -> Iterator[Batch]:
        order = list(self.examples)
        if self.shuffle:
            # Sorted within pools of eight batches: little padding, yet new companions each time.
            self.random.shuffle(order)
            pools = [order[i : i + 8 * self.size] for i in range(0, len(order), 8 * self.size)]
            order = [e for pool in pools for e in sorted(pool, key=lambda e: e.frames)]
        groups = [order[i : i + self.size] for i in range(0, len(order), self.size)]
        if self.shuffle:
            self.random.shuffle(groups)
        for group in groups:
            yield self.assemble(group)
