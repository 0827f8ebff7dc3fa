"""Causal running level: what makes a verdict independent of the microphone's gain.

A segment's power is expressed in dB relative to a running level of the speech heard so far, over a
floor that lies a fixed number of dB below that level. The level is one number per stream. It looks
at the present and the past only, rises within a few hops to the level of speech, falls slowly
through pauses, and is an explicit input and output of the front end.

The floor is there for more than silence. A recording's own noise floor says how loudly somebody
spoke in that room, and where peaks are normalised it says so exactly: a network learns it at once,
and is lost in every other room.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

UNSET = -1000.0
"""Level of a stream that has heard nothing yet, in dBFS."""
SILENCE = -200.0
"""Level of digital silence, in dBFS: what the logarithm of no power is taken for."""


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
    quietest: float = -140.0
    """Lowest level: below it there is nothing but the rounding of the arithmetic."""
    first_bin: int = 2
    """Bins below (125 Hz at 62.5 Hz a bin) do not count: rumble, hum and DC are not speech."""
    dynamic_range: float = 50.0
    """The floor lies this far below the level."""


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

    def follow(self, heard: Tensor, speech: Tensor | None = None, pause: int = 0) -> Tensor:
        """The hops' own levels (B, T) of whole streams to the level that each is seen at (B, T).

        Hops without ``speech`` (B, T) are seen at the level that they would bring, and leave none
        behind; after ``pause`` of them in a row (0: never) the level is unset again.
        """
        level, levels = torch.full_like(heard[:, 0], UNSET), []
        quiet = torch.zeros_like(level)
        for t in range(heard.shape[1]):
            seen = self.update(level, heard[:, t])
            levels.append(seen)
            if speech is None:
                level = seen
                continue
            level = torch.where(speech[:, t], seen, level)
            quiet = torch.where(speech[:, t], 0, quiet + 1)
            if pause:
                level = torch.where(quiet >= pause, UNSET, level)
        return torch.stack(levels, dim=1)

    def normalise(self, power: Tensor, level: Tensor) -> Tensor:
        """Power and level (dBFS, to be broadcast) to [-1, 1.4]: -1 is the floor, 1 the level."""
        c = self.config
        above = power * torch.exp((c.dynamic_range - level) * (math.log(10.0) / 10.0))
        scale = 2.0 / c.dynamic_range * 10.0 / math.log(10.0)
        return (torch.log(above + 1.0) * scale - 1.0).clamp(max=1.0 + 2.0 * 10.0 / c.dynamic_range)


def decibels(power: Tensor) -> Tensor:
    """10 log10 of a power, with a floor of -200 dB."""
    # Not log(power + 1e-20): graph optimisers take so small a summand for nothing and drop it.
    return torch.log(power * 1e20 + 1.0) * (10.0 / math.log(10.0)) + SILENCE
