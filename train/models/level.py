"""The causal running level, which makes results independent of the microphone's gain.

A segment's power is expressed in dB relative to a running level of earlier speech, above a floor
that is a fixed number of dB below that level. The level is one number per stream. It depends only
on the past and the present, rises to the level of speech within a few hops, falls slowly in pauses,
and is an explicit input and output of the front end.

The floor has a second purpose. A recording's own noise floor reveals how loudly somebody spoke in
that room, precisely so if peaks are normalised. A network learns this at once, and fails in every
other room.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

UNSET = -1000.0
"""Level at the start of a stream, in dBFS."""
SILENCE = -200.0
"""Level of digital silence in dBFS, where the logarithm is not defined."""


@dataclass(frozen=True)
class LevelConfig:
    """Constants of the running level and of the normalisation, in decibels."""

    rise: float = 0.5
    """Share of the distance to a louder hop by which the level rises per hop (128 ms)."""
    fall: float = 0.005
    """The same for a softer hop."""
    fall_limit: float = 30.0
    """A softer hop counts as at most this far below the level."""
    headroom: float = 10.0
    """The level is at most this far below the current hop."""
    quietest: float = -140.0
    """Lowest level; below it there are only rounding errors."""
    first_bin: int = 2
    """Lower bins (125 Hz at 62.5 Hz per bin) are ignored: rumble, hum and DC are not speech."""
    dynamic_range: float = 50.0
    """The floor is this far below the level."""


class RunningLevel(nn.Module):
    """Updates the level once per hop, and normalises a segment by it."""

    receptive_field = 1
    delay = 0
    hop = 1

    def __init__(self, config: LevelConfig | None = None) -> None:
        super().__init__()
        self.config = config or LevelConfig()

    def frame_energy(self, power: Tensor) -> Tensor:
        """Energy of each frame without rumble, hum and DC: power (..., 129) to (...)."""
        return power[..., self.config.first_bin :].sum(-1)

    def update(self, level: Tensor, heard: Tensor) -> Tensor:
        """Running level (B,) and the hop's own level (B,) to the new running level (B,), dBFS."""
        c = self.config
        difference = (heard - level).clamp(min=-c.fall_limit)
        rate = torch.where(difference > 0, c.rise, c.fall)
        moved = torch.maximum(level + rate * difference, heard - c.headroom)
        return torch.where(level <= 0.5 * UNSET, heard, moved).clamp(min=c.quietest)

    def follow(self, heard: Tensor, speech: Tensor | None = None, pause: int = 0) -> Tensor:
        """From the hops' own levels (B, T) of whole streams to the running level at each (B, T).

        Hops without ``speech`` (B, T) use the level that they would cause, and do not change it;
        ``pause`` of them in a row (0: never) reset it.
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
        """Power and level (dBFS, broadcastable) to [-1, 1.4]: -1 is the floor, 1 the level."""
        c = self.config
        above = power * torch.exp((c.dynamic_range - level) * (math.log(10.0) / 10.0))
        scale = 2.0 / c.dynamic_range * 10.0 / math.log(10.0)
        return (torch.log(above + 1.0) * scale - 1.0).clamp(max=1.0 + 2.0 * 10.0 / c.dynamic_range)


def decibels(power: Tensor) -> Tensor:
    """10 log10 of a power, with a floor of -200 dB."""
    # Not log(power + 1e-20): graph optimisers drop such a small summand.
    return torch.log(power * 1e20 + 1.0) * (10.0 / math.log(10.0)) + SILENCE
