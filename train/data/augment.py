"""Augmentation of spectrograms: what a stranger's microphone, room and voice may do to speech.

Everything acts on batches of power spectrograms (B, frames, 129), where filtering is a product,
noise is a sum and reverberation is a decaying trail, so that a batch costs milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from train.models.level import decibels
from train.models.spectrogram import BINS


@dataclass(frozen=True)
class AugmentConfig:
    """How often and how strongly; every share is a probability per recording."""

    warp: float = 0.10
    """Largest stretch of the frequency axis (vocal tract length, pitch)."""
    tempo: float = 0.12
    """Largest stretch of time."""
    gain_db: float = 20.0
    """Gain is drawn from plus or minus this."""
    tilt_db: float = 6.0
    """Largest slope over all frequencies, plus two ripples half as large."""
    telephone: float = 0.1
    """Share band-limited to 300 to 3400 Hz."""
    lowpass: float = 0.15
    """Share cut off above 3.5 to 7.5 kHz."""
    reverberation: float = 0.3
    noise: float = 0.85
    """Share with added noise."""
    snr_db: tuple[float, float] = (0.0, 40.0)
    synthetic: float = 0.5
    """Of the noises, the share that is stationary and coloured, not recorded."""
    silence: float = 0.4
    """Share with up to 0.5 s of silence before, and as many after."""
    time_masks: int = 1
    frequency_masks: int = 1
    mask_frames: int = 12
    mask_bins: int = 12


class Augment:
    """Draws new conditions for a batch; ``noises`` are spectrograms in dB (frames, 129).

    Owns its random generator: the same seed, the same batches.
    """

    def __init__(
        self, config: AugmentConfig, noises: Sequence[Tensor], generator: torch.Generator
    ) -> None:
        self.config, self.rng = config, generator
        self.noises = [10 ** (noise.float() / 10) for noise in noises]

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.rng) * (high - low) + low

    def _chance(self, share: float, batch: int) -> Tensor:
        return torch.rand(batch, generator=self.rng) < share

    def stretch(self, db: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Stretch time and frequency: dB (B, F, 129) and frames (B,) to the same with another F."""
        batch, frames, _ = db.shape
        tempo = self._uniform(1 - self.config.tempo, 1 + self.config.tempo, batch)
        warp = self._uniform(1 - self.config.warp, 1 + self.config.warp, batch)
        stretched = (lengths / tempo).long().clamp(min=1)
        out = int(stretched.max())
        t = torch.arange(out)[None] * tempo[:, None] * (2.0 / (frames - 1)) - 1
        f = torch.arange(BINS)[None] * warp[:, None] * (2.0 / (BINS - 1)) - 1
        grid = torch.stack(
            [f[:, None].expand(batch, out, BINS), t[:, :, None].expand(batch, out, BINS)], -1
        )
        moved = torch.nn.functional.grid_sample(
            db[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True
        )
        return moved[:, 0], stretched

    def position(self, choices: int) -> int:
        """A random integer below ``choices``."""
        return int(torch.randint(choices, (1,), generator=self.rng))

    def silence(self, batch: int) -> Tensor:
        """Frames of silence to add at one end, (B,)."""
        frames = self._uniform(0, 64, batch) * self._chance(self.config.silence, batch)
        return frames.long()

    def colour(self, batch: int) -> Tensor:
        """Random frequency response as a power gain, (B, 1, 129)."""
        c = self.config
        axis = torch.linspace(0, 1, BINS)
        tilt = self._uniform(-c.tilt_db, c.tilt_db, batch, 1) * (axis - 0.5)
        for ripples in (1.0, 2.5):
            phase = self._uniform(0, 6.283, batch, 1)
            tilt = tilt + self._uniform(0, c.tilt_db / 2, batch, 1) * torch.cos(
                phase + 6.283 * ripples * axis
            )
        hertz = axis * 8000
        top = torch.where(self._chance(c.lowpass, batch), self._uniform(3500, 7500, batch), 1e9)
        narrow = self._chance(c.telephone, batch)
        top = torch.where(narrow, 3400.0, top)[:, None]
        bottom = torch.where(narrow, 300.0, 0.0)[:, None]
        cut = -0.1 * (hertz - top).clamp(min=0) - 0.15 * (bottom - hertz).clamp(min=0)
        gain = self._uniform(-c.gain_db, c.gain_db, batch, 1)
        return (10.0 ** ((tilt + cut.clamp(min=-50) + gain) / 10))[:, None]

    def reverberate(self, power: Tensor) -> Tensor:
        """Add an exponentially decaying trail with a reverberation time of 0.15 to 0.8 s."""
        batch = power.shape[0]
        rt60 = self._uniform(0.15, 0.8, batch)
        decay = 10.0 ** (-6.0 * 0.008 / rt60)
        wet = 10.0 ** (self._uniform(-18, 0, batch) / 10) * (1 - decay)
        wet = torch.where(self._chance(self.config.reverberation, batch), wet, 0.0)
        lags = 64
        kernel = wet[:, None] * decay[:, None] ** torch.arange(lags)
        kernel[:, 0] += 1.0
        padded = torch.nn.functional.pad(power.transpose(1, 2), (lags - 1, 0))
        folded = padded.reshape(1, -1, padded.shape[-1])
        weights = kernel.flip(1)[:, None].repeat_interleave(BINS, 0)
        trail = torch.nn.functional.conv1d(folded, weights, groups=batch * BINS)
        return trail.reshape(batch, BINS, -1).transpose(1, 2)

    def noise(self, batch: int, frames: int) -> Tensor:
        """Noise of mean power 1 a frame, (B, frames, 129): recorded, or steady and coloured."""
        out = torch.empty(batch, frames, BINS)
        synthetic = self._chance(self.config.synthetic, batch)
        slope = self._uniform(-30, 3, batch, 1)
        colour = 10 ** (slope * torch.linspace(0, 1, BINS) ** 0.5 / 10)
        for i in range(batch):
            if synthetic[i] or not self.noises:
                steady = torch.empty(frames, BINS).exponential_(generator=self.rng)
                out[i] = steady * colour[i]
            else:
                clip = self.noises[self.position(len(self.noises))]
                rows = (torch.arange(frames) + self.position(len(clip))) % len(clip)
                out[i] = clip[rows]
        return out / out.sum(-1).mean(-1).clamp(min=1e-12)[:, None, None]

    def __call__(self, power: Tensor, speech_power: Tensor) -> Tensor:
        """Reverberate, add noise, filter: power (B, F, 129), its mean over speech (B,) to power."""
        c, batch = self.config, power.shape[0]
        power = self.reverberate(power)
        snr = self._uniform(*c.snr_db, batch)
        snr = torch.where(self._chance(c.noise, batch), snr, self._uniform(45, 70, batch))
        power = (
            power
            + self.noise(batch, power.shape[1]) * (speech_power / 10 ** (snr / 10))[:, None, None]
        )
        return power * self.colour(batch)

    def mask(self, normalised: Tensor) -> Tensor:
        """Blank random frames and bins of (B, T, 32, 128) (SpecAugment; Park et al. 2019)."""
        c, (batch, time, frames, bins) = self.config, normalised.shape
        for _ in range(c.frequency_masks):
            start = self._uniform(0, bins, batch, 1)
            width = self._uniform(0, c.mask_bins, batch, 1)
            axis = torch.arange(bins)
            hit = (axis >= start) & (axis < start + width)
            normalised = normalised.masked_fill(hit[:, None, None], -1.0)
        clock = torch.arange(time)[:, None] * 16 + torch.arange(frames)
        for _ in range(c.time_masks):
            start = self._uniform(0, 16 * time, batch, 1, 1)
            width = self._uniform(0, c.mask_frames, batch, 1, 1)
            hit = (clock >= start) & (clock < start + width)
            normalised = normalised.masked_fill(hit[..., None], -1.0)
        return normalised


def speech_frames(db: Tensor, lengths: Tensor, below_db: float = 30.0) -> Tensor:
    """Which frames of clean recordings are speech: dB (B, F, 129) to bool (B, F).

    A frame is speech if it lies within ``below_db`` of the recording's 95th percentile.
    """
    energy = decibels((10 ** (db / 10))[..., 2:].sum(-1))
    inside = torch.arange(db.shape[1])[None] < lengths[:, None]
    ranked = energy.masked_fill(~inside, -200.0).sort(1).values
    first = db.shape[1] - lengths
    top = ranked.gather(1, (first + 0.95 * (lengths - 1)).long()[:, None])
    return (energy > top - below_db) & (energy > -80.0) & inside
