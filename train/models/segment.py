"""Segments: what one token sees of the audio, and how they follow each other."""

import torch
from torch import Tensor

from train.models.level import UNSET, RunningLevel, decibels
from train.models.spectrogram import FRAME_HOP, WINDOW

SAMPLE_RATE = 16_000
SEGMENT_FRAMES = 32
HOP_FRAMES = 16
SEGMENT = WINDOW + (SEGMENT_FRAMES - 1) * FRAME_HOP
"""Samples a segment: 4224, 264 ms (the paper's 265 ms; Satt et al. 2017)."""
HOP = HOP_FRAMES * FRAME_HOP
"""Samples between two segments: 2048, 128 ms."""
LEAD = SEGMENT - HOP
"""Zero samples that a stream begins with, so that every hop of audio gives a token."""
LEAD_FRAMES = LEAD // FRAME_HOP


def normalised_segments(power: Tensor, running: RunningLevel) -> Tensor:
    """Power (B, 16 (T + 1), 129) of whole streams to normalised segments (B, T, 32, 128).

    The bin at 0 Hz is left out. What the front end does segment by segment, for all at once.
    """
    energy = running.frame_energy(power).unfold(1, HOP_FRAMES, HOP_FRAMES)[:, 1:]
    heard = decibels(energy.mean(-1))
    level, levels = torch.full_like(heard[:, 0], UNSET), []
    for t in range(heard.shape[1]):
        level = running.update(level, heard[:, t])
        levels.append(level)
    each = torch.stack(levels, dim=1)[:, :, None, None]
    frames = decibels(power[..., 1:])
    windows = frames.unfold(1, SEGMENT_FRAMES, HOP_FRAMES).transpose(2, 3)
    return running.normalise(windows, each)
