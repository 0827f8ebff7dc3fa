"""Power spectrogram of a waveform as one fixed convolution.

The windowed Fourier basis is a convolution kernel, so that the spectrogram, the CNN and the
encoder export as a single ONNX graph that any runtime executes.
"""

import math

import torch
from torch import Tensor, nn

WINDOW = 256
"""Samples in a Hann window: 16 ms at 16 kHz."""
FRAME_HOP = 128
"""Samples between two frames: 8 ms at 16 kHz."""
BINS = WINDOW // 2 + 1


def fourier_basis(window: int = WINDOW) -> Tensor:
    """Hann-windowed cosine and sine rows, scaled so that the bins' powers sum to the mean square.

    Returns a float32 tensor of shape (2 * (window // 2 + 1), 1, window), cosines first.
    """
    bins = window // 2 + 1
    n = torch.arange(window, dtype=torch.float64)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * n / window)
    phase = 2 * math.pi * torch.arange(bins, dtype=torch.float64)[:, None] * n / window
    # Parseval: every bin but the first and the last stands for two.
    twice = torch.full((bins, 1), math.sqrt(2.0), dtype=torch.float64)
    twice[0] = twice[-1] = 1.0
    scale = twice / math.sqrt(window * float((hann**2).sum()))
    basis = torch.cat([torch.cos(phase) * hann * scale, torch.sin(phase) * hann * scale])
    return basis[:, None, :].float()


class Spectrogram(nn.Module):
    """Waveform (B, samples) in [-1, 1] to power (B, frames, 129), each frame's sum its mean square.

    ``frames = (samples - 256) // 128 + 1``.
    """

    receptive_field = WINDOW
    delay = 0
    hop = FRAME_HOP

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", fourier_basis(), persistent=False)
        self.basis: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        parts = nn.functional.conv1d(waveform[:, None, :], self.basis, stride=FRAME_HOP)
        real, imaginary = parts.split(BINS, dim=1)
        power: Tensor = real * real + imaginary * imaginary
        return power.transpose(1, 2)
