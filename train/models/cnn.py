"""The CNN over the two views of a segment: deep features R_d."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.models.segment import Segments

WIDE_PLACES = 2 * 8
"""Positions in the last map of the spectrogram."""
NARROW_PLACES = 2 * 13
"""Positions in the last map of the harmonics."""


@dataclass(frozen=True)
class CNNConfig:
    """Channels of the convolutions and the width F of R_d."""

    channels: tuple[int, int, int] = (40, 80, 112)
    """Channels for the spectrogram."""
    narrow: int = 32
    """Channels for the harmonics, doubled in the last convolution; 0: only the spectrogram."""
    features: int = 160


def normalised(convolution: nn.Module, channels: int) -> nn.Sequential:
    """The convolution, batch normalisation (folded on export), ReLU."""
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


def patches(channels: int) -> nn.Sequential:
    """Spectrogram (B, 1, 32, 128) to (B, channels, 8, 32): 32 ms by 500 Hz, every 32 ms and 250 Hz.

    The long first stride avoids large maps, which would dominate the time of a small CNN.
    """
    return normalised(nn.Conv2d(1, channels, (4, 8), (4, 4), (0, 2), bias=False), channels)


def halving(inputs: int, outputs: int) -> nn.Sequential:
    """3 x 3 convolution that halves both axes."""
    return normalised(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), outputs)


def harmonic_patterns(channels: int) -> nn.Sequential:
    """Harmonics (B, 1, 7, 104) to (B, 2 channels, 2, 13): patterns over a third of an octave."""
    first = nn.Conv2d(1, channels, (3, 9), (1, 2), (1, 4), bias=False)
    return nn.Sequential(
        normalised(first, channels),  # 7 x 52
        halving(channels, channels),  # 4 x 26
        halving(channels, 2 * channels),  # 2 x 13
    )


class CNN(nn.Module):
    """Both views of segments to R_d (B, F)."""

    receptive_field = 32
    delay = 0
    hop = 16

    def __init__(self, config: CNNConfig, dropout: float = 0.0) -> None:
        super().__init__()
        a, b, c = config.channels
        self.body = nn.Sequential(
            patches(a),  # 8 x 32
            halving(a, b),  # 4 x 16
            halving(b, c),  # 2 x 8
            normalised(nn.Conv2d(c, c, 3, 1, 1, bias=False), c),
        )
        self.narrow = harmonic_patterns(config.narrow) if config.narrow else None
        self.dropout = nn.Dropout(dropout)
        inputs = WIDE_PLACES * c + NARROW_PLACES * 2 * config.narrow
        self.head = nn.Sequential(nn.Linear(inputs, config.features), nn.ReLU())

    def forward(self, segments: Segments) -> Tensor:
        wide = self.body(segments.spectrogram[:, None]).flatten(1)
        if self.narrow is not None:
            narrow = self.narrow(segments.harmonics[:, None]).flatten(1)
            wide = torch.cat([wide, narrow], dim=1)
        features: Tensor = self.head(self.dropout(wide))
        return features
