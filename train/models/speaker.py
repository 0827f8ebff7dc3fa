"""Speaker normalisation: tokens relative to running statistics of the stream's own speech.

Neutral speech differs between voices, rooms and microphones more than emotions do. The statistics
are over whole utterances (sequences of speech between pauses) and change only between them. They
are shrunk towards the training's, depending on the number of utterances and on their variation, so
that a long constant mood does not become the reference.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SpeakerConfig:
    """Constants of the adaptation to a speaker; see docs/streaming.md."""

    adapt: bool = False
    """Whether streams adapt by default; training on sessions enables it."""
    prior: float = 4.0
    """Weight of the training's statistics, in utterances."""
    floor: float = 0.1
    """Share of the adaptation that needs no variation of the speaker."""
    bound: float = 2.0
    """Largest shift of a feature, in units of the training's deviations."""
    most: float = 20.0
    """Number of utterances after which older ones fade."""
    shortest: int = 4
    """Utterances with fewer tokens of speech are ignored."""
    calibration: float = 10.0
    """Weight of a calibration sentence, in utterances."""


class Heard(NamedTuple):
    """Statistics of a stream: utterances (B,), mean and mean square (B, C) of their means."""

    utterances: Tensor
    mean: Tensor
    square: Tensor


class Speaker(nn.Module):
    """Normalises tokens of width C. The buffers are measured on the training's speakers."""

    def __init__(self, width: int, config: SpeakerConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpeakerConfig()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.register_buffer("between", torch.ones(width))
        self.register_buffer("neutral", torch.zeros(width))
        self.known = nn.Parameter(torch.zeros(width))
        self.mean: Tensor
        self.deviation: Tensor
        self.between: Tensor
        self.neutral: Tensor

    def fresh(self, batch: int) -> Heard:
        """Statistics at the start of streams."""
        nothing = torch.zeros(batch, len(self.mean))
        return Heard(torch.zeros(batch), nothing, nothing)

    def standardised(self, tokens: Tensor) -> Tensor:
        """Raw tokens (..., C), centred and in units of the training's deviations."""
        return (tokens - self.mean) / self.deviation

    def commit(self, heard: Heard, mean: Tensor, tokens: Tensor) -> Heard:
        """Statistics after one more utterance: its standardised mean (B, C), tokens (B,)."""
        counts = tokens >= self.config.shortest
        after = (heard.utterances + 1).clamp(max=self.config.most)
        share = (counts / after)[:, None]
        return Heard(
            torch.where(counts, after, heard.utterances),
            heard.mean + (mean - heard.mean) * share,
            heard.square + (mean * mean - heard.square) * share,
        )

    def weight(self, heard: Heard) -> Tensor:
        """Weight of the statistics (B,), in [0, 1)."""
        c, n = self.config, heard.utterances
        if not c.adapt:
            return torch.zeros_like(n)
        variance = (heard.square - heard.mean.square()).clamp(min=0).mean(1)
        spread = variance * n / (n - 1).clamp(min=1) / self.between.mean()
        spread = torch.where(n < 2, 0.0, spread.clamp(max=1.0))
        return n / (n + c.prior) * (c.floor + (1 - c.floor) * spread)

    def forward(self, standardised: Tensor, heard: Heard) -> Tensor:
        """Standardised tokens of an utterance (B, T, C) as input of the sequence model."""
        weight = self.weight(heard)[:, None]
        shift = (weight * heard.mean).clamp(-self.config.bound, self.config.bound)
        return standardised + (weight * self.known - shift)[:, None]
