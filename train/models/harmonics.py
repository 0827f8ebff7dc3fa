"""Narrow-band power: the harmonics of a voice, which the spectrogram's short window cannot resolve.

The paper's 16 ms window gives bins of 62.5 Hz, too coarse to distinguish a pitch of 120 Hz from 180
Hz. This second view has a window of 64 ms and frequencies a twenty-fourth of an octave apart, so a
higher voice is the same pattern, shifted. Like the spectrogram it is one fixed convolution.
"""

import math

import torch
from torch import Tensor, nn

WINDOW = 1024
"""Samples in a Hann window: 64 ms at 16 kHz."""
FRAME_HOP = 512
"""Samples between two frames: 32 ms at 16 kHz."""
BANDS = 104
LOWEST = 70.0
"""Hz; the highest band is at 1371 Hz."""
BANDS_AN_OCTAVE = 24
SAMPLE_RATE = 16_000


def frequencies() -> Tensor:
    """Hz of the bands, (104,) float64."""
    return LOWEST * 2.0 ** (torch.arange(BANDS, dtype=torch.float64) / BANDS_AN_OCTAVE)


def narrow_basis() -> Tensor:
    """Hann-windowed cosine and sine rows, scaled so that a tone in a band gives its mean square.

    Returns a float32 tensor of shape (208, 1, 1024), cosines first.
    """
    n = torch.arange(WINDOW, dtype=torch.float64)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * n / WINDOW)
    phase = 2 * math.pi * frequencies()[:, None] * n / SAMPLE_RATE
    scale = math.sqrt(2.0) / float(hann.sum())
    basis = torch.cat([torch.cos(phase), torch.sin(phase)]) * hann * scale
    return basis[:, None, :].float()


class Harmonics(nn.Module):
    """Waveform (B, samples) to power (B, frames, 104).

    ``frames = (samples - 1024) // 512 + 1``.
    """

    receptive_field = WINDOW
    delay = 0
    hop = FRAME_HOP

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", narrow_basis(), persistent=False)
        self.basis: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        parts = nn.functional.conv1d(waveform[:, None, :], self.basis, stride=FRAME_HOP)
        real, imaginary = parts.split(BANDS, dim=1)
        power: Tensor = real * real + imaginary * imaginary
        return power.transpose(1, 2)
