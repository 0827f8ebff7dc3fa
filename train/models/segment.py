"""Segments: the audio of one token, how segments overlap, and their two views."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.models import harmonics
from train.models.harmonics import Harmonics
from train.models.level import LevelConfig, RunningLevel, decibels
from train.models.spectrogram import FRAME_HOP, WINDOW, Spectrogram

SAMPLE_RATE = 16_000
SEGMENT_FRAMES = 32
HOP_FRAMES = 16
SEGMENT = WINDOW + (SEGMENT_FRAMES - 1) * FRAME_HOP
"""Samples per segment: 4224, 264 ms (the paper's 265 ms; Satt et al. 2017)."""
HOP = HOP_FRAMES * FRAME_HOP
"""Samples between two segments: 2048, 128 ms."""
LEAD = SEGMENT - HOP
"""Zero samples before a stream, so that its first hop already gives a token."""
LEAD_FRAMES = LEAD // FRAME_HOP
NARROW_HOP_FRAMES = HOP // harmonics.FRAME_HOP
NARROW_FRAMES = (SEGMENT - harmonics.WINDOW) // harmonics.FRAME_HOP + 1
"""Narrow-band frames per segment: 7. The last one ends with the segment."""
NARROW_START = SEGMENT - harmonics.WINDOW - (NARROW_FRAMES - 1) * harmonics.FRAME_HOP
"""Samples of a segment before its first narrow-band frame."""


class Segments(NamedTuple):
    """Normalised views of segments, with any leading axes."""

    spectrogram: Tensor
    """(..., 32, 128): wide-band, all frequencies except 0 Hz."""
    harmonics: Tensor
    """(..., 7, 104): narrow-band, 70 to 1371 Hz."""

    def flat(self) -> "Segments":
        """(B, T, ...) to (B T, ...)."""
        return Segments(self.spectrogram.flatten(0, 1), self.harmonics.flatten(0, 1))


class Views(nn.Module):
    """From waveforms to the two views of their segments, normalised by the running level."""

    receptive_field = SEGMENT
    delay = 0
    hop = HOP

    def __init__(self, config: LevelConfig | None = None) -> None:
        super().__init__()
        self.spectrogram = Spectrogram()
        self.harmonics = Harmonics()
        self.level = RunningLevel(config)

    def forward(self, segment: Tensor, level: Tensor) -> tuple[Segments, Tensor]:
        """One segment (B, 4224) and the level (B,) to its views and the new level (B,)."""
        wide = self.spectrogram(segment)
        narrow = self.harmonics(segment[:, NARROW_START:])
        heard = decibels(self.level.frame_energy(wide[:, HOP_FRAMES:]).mean(-1))
        level = self.level.update(level, heard)
        each = level[:, None, None]
        views = Segments(
            self.level.normalise(wide[..., 1:], each), self.level.normalise(narrow, each)
        )
        return views, level

    def of_streams(
        self, waveform: Tensor, speech: Tensor | None = None, pause: int = 0
    ) -> Segments:
        """Whole streams (B, 2176 + 2048 T), lead included, to views with axes (B, T) in front.

        The same as :meth:`forward` segment by segment. With ``speech`` (B, T), only these hops
        update the running level, and ``pause`` others in a row reset it.
        """
        wide = self.spectrogram(waveform)
        narrow = self.harmonics(waveform[:, NARROW_START:])
        energy = self.level.frame_energy(wide).unfold(1, HOP_FRAMES, HOP_FRAMES)[:, 1:]
        level = self.level.follow(decibels(energy.mean(-1)), speech, pause)[:, :, None, None]
        wide = wide[..., 1:].unfold(1, SEGMENT_FRAMES, HOP_FRAMES).transpose(2, 3)
        narrow = narrow.unfold(1, NARROW_FRAMES, NARROW_HOP_FRAMES).transpose(2, 3)
        return Segments(self.level.normalise(wide, level), self.level.normalise(narrow, level))


def led_in(waveform: Tensor) -> Tensor:
    """Waveforms (B, samples) as streams: with leading zeros, and padded to whole hops."""
    hops = -(-waveform.shape[1] // HOP)
    return torch.nn.functional.pad(waveform, (LEAD, hops * HOP - waveform.shape[1]))
