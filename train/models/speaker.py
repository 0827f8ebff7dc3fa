"""Who speaks: tokens relative to running statistics of the stream's own speech.

What is neutral differs by voice, room and microphone more than emotions differ. The statistics are
of whole utterances (sequences of speech between pauses), move between them and never within one,
and are shrunk towards the training's: by how many utterances were heard, and by how much these have
varied, since somebody in one mood for long must not become the measure of all moods.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SpeakerConfig:
    """Constants of the adaptation; the design's section 2 explains them."""

    adapt: bool = False
    """Whether streams adapt unless told otherwise; training on sessions switches it on."""
    prior: float = 4.0
    """Utterances that the training's statistics are worth."""
    floor: float = 0.1
    """Share of the adaptation that does not wait for the speaker to vary."""
    bound: float = 2.0
    """Largest shift of a feature, in the training's deviations."""
    most: float = 20.0
    """Utterances after which the oldest fade."""
    shortest: int = 4
    """Tokens of speech below which an utterance does not count."""
    calibration: float = 10.0
    """Utterances that a calibration sentence is worth."""


class Heard(NamedTuple):
    """What a stream has learned: utterances (B,), mean and mean square (B, C) of their means."""

    utterances: Tensor
    mean: Tensor
    square: Tensor


class Speaker(nn.Module):
    """Normalisation of tokens, width C. The buffers are measured on the training's speakers."""

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
        """Of streams that have heard nothing."""
        nothing = torch.zeros(batch, len(self.mean))
        return Heard(torch.zeros(batch), nothing, nothing)

    def standardised(self, tokens: Tensor) -> Tensor:
        """Raw tokens (..., C) in the training's deviations from its mean."""
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
        """How far the statistics are trusted (B,), in [0, 1)."""
        c, n = self.config, heard.utterances
        if not c.adapt:
            return torch.zeros_like(n)
        variance = (heard.square - heard.mean.square()).clamp(min=0).mean(1)
        spread = variance * n / (n - 1).clamp(min=1) / self.between.mean()
        spread = torch.where(n < 2, 0.0, spread.clamp(max=1.0))
        return n / (n + c.prior) * (c.floor + (1 - c.floor) * spread)

    def forward(self, standardised: Tensor, heard: Heard) -> Tensor:
        """Standardised tokens of one utterance (B, T, C) as the sequence model sees them."""
        weight = self.weight(heard)[:, None]
        shift = (weight * heard.mean).clamp(-self.config.bound, self.config.bound)
        return standardised + (weight * self.known - shift)[:, None]
