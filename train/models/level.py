"""Causal running level: what makes a verdict independent of the microphone's gain.

The spectrogram of a segment is expressed in dB relative to a running level of the speech heard so
far, and what lies more than 60 dB below that level is cut off. The level is one number per stream.
It looks at the present and the past only, rises within a few hops to the level of speech, falls
slowly through pauses, and is an explicit input and output of the front end.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

UNSET = -1000.0
"""Level of a stream that has heard nothing yet, in dBFS."""


@dataclass(frozen=True)
class LevelConfig:
    """Constants of the running level and of the normalisation that uses it; decibels throughout."""

    rise: float = 0.5
    """Share of the way up to a louder hop that the level goes in that hop (128 ms)."""
    fall: float = 0.005
    """The same towards a softer one."""
    fall_limit: float = 30.0
    """A softer hop pulls as if it were at most this far below the level."""
    headroom: float = 10.0
    """The level is never further than this below the present hop."""
    quietest: float = -100.0
    """Lowest level: what is softer is nobody speaking, however far it is amplified."""
    first_bin: int = 2
    """Bins below (125 Hz at 62.5 Hz a bin) do not count: rumble, hum and DC are not speech."""
    dynamic_range: float = 60.0
    """What lies further below the level is cut off."""


class RunningLevel(nn.Module):
    """One update a hop, and the normalisation of a segment by it."""

    receptive_field = 1
    delay = 0
    hop = 1

    def __init__(self, config: LevelConfig | None = None) -> None:
        super().__init__()
        self.config = config or LevelConfig()

    def frame_energy(self, power: Tensor) -> Tensor:
        """Energy of each frame above rumble, hum and DC: power (..., 129) to (...)."""
        return power[..., self.config.first_bin :].sum(-1)

    def update(self, level: Tensor, heard: Tensor) -> Tensor:
        """Running level (B,) and the hop's own level (B,) to the new running level (B,), dBFS."""
        c = self.config
        difference = (heard - level).clamp(min=-c.fall_limit)
        rate = torch.where(difference > 0, c.rise, c.fall)
        moved = torch.maximum(level + rate * difference, heard - c.headroom)
        return torch.where(level <= 0.5 * UNSET, heard, moved).clamp(min=c.quietest)

    def normalise(self, db: Tensor, level: Tensor) -> Tensor:
        """Spectrum in dB and level to about [-1, 1.33]; -1 is 60 dB below the level."""
        c = self.config
        relative = (db - level).clamp(-c.dynamic_range, c.headroom)
        return relative * (2.0 / c.dynamic_range) + 1.0


def decibels(power: Tensor) -> Tensor:
    """10 log10 of a power, with a floor of -160 dB."""
    # Not log(power + 1e-16): graph optimisers take so small a summand for nothing and drop it.
    return torch.log(power * 1e16 + 1.0) * (10.0 / math.log(10.0)) - 160.0
