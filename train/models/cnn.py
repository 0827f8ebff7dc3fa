"""The CNN that reads one segment: deep features R_d."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class CNNConfig:
    """Channels of the convolutions and the width F of R_d."""

    channels: tuple[int, int, int] = (32, 48, 64)
    features: int = 96


def normalised(convolution: nn.Module, channels: int) -> nn.Sequential:
    """The convolution, batch normalisation (folded on export), ReLU."""
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


def patches(channels: int) -> nn.Sequential:
    """Spectrogram (B, 1, 32, 128) to (B, channels, 8, 32): 32 ms by 500 Hz, every 32 ms and 250 Hz.

    One long stride first keeps the large maps, where a small CNN spends its time, out of the
    network.
    """
    return normalised(nn.Conv2d(1, channels, (4, 8), (4, 4), (0, 2), bias=False), channels)


def halving(inputs: int, outputs: int) -> nn.Sequential:
    """3 x 3 convolution that halves both axes."""
    return normalised(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), outputs)


class CNN(nn.Module):
    """Normalised spectrogram (B, 32, 128) to R_d (B, F)."""

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
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(16 * c, config.features), nn.ReLU()
        )

    def forward(self, spectrogram: Tensor) -> Tensor:
        features: Tensor = self.head(self.body(spectrogram[:, None]))
        return features
