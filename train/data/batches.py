"""Batches of segments: recordings of different length, augmented, analysed and labelled."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from train.data.audio import AudioCache
from train.data.augment import Augment, AugmentConfig, Sounds
from train.data.shard import Shard
from train.data.speech import speech_hops
from train.models.level import LevelConfig
from train.models.segment import HOP, LEAD, SAMPLE_RATE, Segments, Views

LONGEST = int(4.8 * SAMPLE_RATE)
"""Longer recordings are cut to this number of samples at random in training."""

Condition = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
"""Changes a recording's samples before a model processes them, in an evaluation."""


@dataclass(frozen=True)
class Example:
    """One recording: its audio, target distribution (empty: unknown), and whether it is speech."""

    cache: AudioCache
    index: int
    target: tuple[float, ...] = ()
    speech: bool = True
    detail: tuple[float, ...] = ()
    """One-hot over all emotions of the corpora, used only in training (empty: unknown)."""
    weight: float = 1.0
    """Weight of the target in training."""
    clean: AudioCache | None = None
    """The same recordings without their noise floor, if training may mix them in."""

    @property
    def samples(self) -> int:
        return self.cache.samples(self.index)

    def audio(self) -> NDArray[np.float32]:
        """Mono float32 (samples,) at 16 kHz."""
        return self.cache[self.index]


@dataclass
class Batch:
    """Views of segments (B, T), speech (B, T) bool, tokens (B,) int64, and targets.

    Target (B, L), its weight (B,), detail (B, D); rows of zeros where the target is unknown.
    """

    segments: Segments
    speech: Tensor
    tokens: Tensor
    target: Tensor
    weight: Tensor
    detail: Tensor


class Assembler:
    """Turns examples into a batch, augmented if it has an ``Augment``."""

    def __init__(
        self,
        level: LevelConfig,
        augment: Augment | None = None,
        condition: Condition | None = None,
        labels: int = 4,
        details: int = 0,
        seed: int = 0,
    ) -> None:
        self.views, self.augment, self.condition = Views(level), augment, condition
        self.labels, self.details = labels, details
        self.rng = np.random.default_rng(seed)

    @torch.no_grad()
    def __call__(self, examples: Sequence[Example]) -> Batch:
        heard, spoken = zip(*(self._heard(example) for example in examples), strict=True)
        tokens = torch.tensor([len(s) for s in spoken])
        longest = int(tokens.max())
        audio = torch.zeros(len(examples), LEAD + longest * HOP)
        speech = torch.zeros(len(examples), longest, dtype=torch.bool)
        for i, (samples, hops) in enumerate(zip(heard, spoken, strict=True)):
            audio[i, : len(samples)] = torch.from_numpy(samples)
            speech[i, : len(hops)] = torch.from_numpy(hops)
        segments = self.views.of_streams(audio)
        if self.augment:
            segments = self.augment.mask(segments)
        target = _rows([e.target for e in examples], self.labels)
        detail = _rows([e.detail for e in examples], self.details)
        weight = torch.tensor([e.weight for e in examples])
        return Batch(segments, speech, tokens, target, weight, detail)

    def _heard(self, example: Example) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The audio of a stream, preceded by silence, and which of its hops are speech."""
        samples, before, after = example.audio(), 0, 0
        if self.augment:
            if example.clean is not None:
                samples = self.augment.cleaned(samples, example.clean[example.index])
            samples = samples[self.augment.cut(len(samples), LONGEST)]
            samples = self.augment.faster(samples)
            before, after = self.augment.silence(), self.augment.silence()
        hops = -(-(before + len(samples) + after) // HOP)
        spoken = speech_hops(samples, before, hops) & example.speech
        if self.augment:
            return self.augment(samples, before, hops), spoken
        if self.condition:
            samples = self.condition(samples, self.rng)
            hops = -(-len(samples) // HOP)
            spoken = np.resize(spoken, hops)
        return np.pad(samples, (LEAD, hops * HOP - len(samples))), spoken


def _rows(rows: list[tuple[float, ...]], width: int) -> Tensor:
    """Distributions as (B, width), zeros where there is none."""
    return torch.tensor([row or (0.0,) * width for row in rows])


class Batches(IterableDataset[Batch]):
    """An epoch of batches. Recordings of similar length share one.

    Processes that train together use the same seed; each takes its ``shard`` of every epoch.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        size: int,
        level: LevelConfig,
        augment: AugmentConfig | None = None,
        sounds: Sounds | None = None,
        seed: int = 0,
        shuffle: bool = True,
        condition: Condition | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.examples, self.size, self.shuffle = examples, size, shuffle
        self.shard = shard or Shard()
        self.random = random.Random(seed)
        drawn = Augment(augment, sounds or Sounds(), seed) if augment else None
        labels, details = (
            max((len(getattr(e, name)) for e in examples), default=0)
            for name in ("target", "detail")
        )
        self.assemble = Assembler(level, drawn, condition, labels or 4, details, seed)

    def __len__(self) -> int:
        return len(self.shard.of((len(self.examples) + self.size - 1) // self.size))

    def __iter__(self) -> Iterator[Batch]:
        order = list(self.examples)
        if self.shuffle:
            # Sorted within pools of eight batches: little padding, and new combinations in each
            # epoch.
            self.random.shuffle(order)
            pools = [order[i : i + 8 * self.size] for i in range(0, len(order), 8 * self.size)]
            order = [e for pool in pools for e in sorted(pool, key=lambda e: e.samples)]
        groups = [order[i : i + self.size] for i in range(0, len(order), self.size)]
        if self.shuffle:
            self.random.shuffle(groups)
        for index in self.shard.of(len(groups)):
            yield self.assemble(groups[index])
