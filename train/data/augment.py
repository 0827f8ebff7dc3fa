"""Augmentation of recordings: other voices, rooms and microphones.

It changes samples before any analysis, so the network gets what a microphone would have recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from train.models.segment import HOP, LEAD, SAMPLE_RATE, Segments

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class AugmentConfig:
    """How often and how strongly recordings change; every share is a probability per recording."""

    speed: float = 0.14
    """Largest relative change of speed, and of pitch with it."""
    clean: float = 0.8
    """Share that is mixed with its version without the noise floor."""
    noise: float = 0.9
    """Share with added noise."""
    snr_db: tuple[float, float] = (3.0, 40.0)
    """Range for the noise, relative to the recording's mean power; others get 40 to 65 dB."""
    synthetic: float = 0.5
    """Share of noises that are synthetic (stationary and coloured) instead of recorded."""
    reverberation: float = 0.3
    """Share with reverberation, shortened to 0.15 to 0.8 s, 0 to 15 dB below the voice."""
    tilt_db: float = 8.0
    """Largest spectral tilt in either direction, plus four ripples of up to half of it."""
    telephone: float = 0.1
    """Share band-limited to 300 to 3400 Hz."""
    lowpass: float = 0.2
    """Share cut off above 3.5 to 7.5 kHz."""
    gain_db: tuple[float, float] = (-20.0, 10.0)
    silence: float = 0.4
    """Share with up to 0.5 s of silence before and after."""
    masked_bins: int = 14
    """Most adjacent spectrogram bins that are masked (SpecAugment; Park et al. 2019)."""


@dataclass(frozen=True)
class Sounds:
    """Sounds to mix in: noises and impulse responses, mono float32 at 16 kHz."""

    noises: Sequence[Samples] = ()
    impulse_responses: Sequence[Samples] = ()


class Augment:
    """Draws new conditions for every recording.

    Owns its random generator: the same seed gives the same recordings.
    """

    def __init__(self, config: AugmentConfig, sounds: Sounds, seed: int) -> None:
        self.config, self.sounds = config, sounds
        self.rng = np.random.default_rng(seed)

    def cut(self, samples: int, longest: int) -> slice:
        """The part to keep of a recording that is longer than ``longest``."""
        start = int(self.rng.integers(max(samples - longest, 0) + 1))
        return slice(start, start + longest)

    def cleaned(self, samples: Samples, clean: Samples) -> Samples:
        """A random mixture of a recording with its version without the floor."""
        if self.rng.random() >= self.config.clean:
            return samples
        share = np.float32(min(1.0, self.rng.uniform(0.3, 1.3)))
        return samples + share * (clean - samples)

    def faster(self, samples: Samples) -> Samples:
        """A random change of speed."""
        if not self.config.speed:
            return samples
        factor = 1 + self.rng.uniform(-self.config.speed, self.config.speed)
        changed: Samples = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE * factor, quality="MQ")
        return changed

    def silence(self) -> int:
        """Samples of silence to add at one end."""
        often = self.rng.random() < self.config.silence
        return int(self.rng.uniform(0, 0.5) * SAMPLE_RATE) if often else 0

    def __call__(self, samples: Samples, before: int, hops: int) -> Samples:
        """A recording in a room, preceded by ``before`` samples: (N,) to (2176 + 2048 hops,)."""
        length = LEAD + hops * HOP
        placed = np.zeros(length, np.float32)
        placed[LEAD + before : LEAD + before + len(samples)] = samples
        transform = scipy.fft.next_fast_len(length + SAMPLE_RATE // 2, real=True)
        spectrum = scipy.fft.rfft(placed, transform)
        axis = np.linspace(0, 1, len(spectrum), dtype=np.float32)
        if self.sounds.impulse_responses and self.rng.random() < self.config.reverberation:
            spectrum = spectrum * scipy.fft.rfft(self.response(), transform)
        spectrum = spectrum + self._noise(samples, length, transform, axis)
        spectrum = spectrum * self._colour(axis)
        heard: Samples = scipy.fft.irfft(spectrum, transform)[:length]
        heard[:LEAD] = 0
        return heard

    def response(self) -> Samples:
        """Impulse response with the direct sound first."""
        responses = self.sounds.impulse_responses
        response = responses[int(self.rng.integers(len(responses)))]
        response = response[np.abs(response).argmax() :][: SAMPLE_RATE // 2]
        seconds = np.arange(len(response), dtype=np.float32) / SAMPLE_RATE
        rt60 = np.float32(self.rng.uniform(0.15, 0.8))
        shortened = response * np.power(10, -3 * seconds / rt60, dtype=np.float32)
        energy = np.sqrt(np.square(shortened).sum() + 1e-20)
        wet: Samples = shortened * np.float32(10 ** (self.rng.uniform(-15, 0) / 20) / energy)
        wet[0] += 1
        return wet

    def _noise(
        self, samples: Samples, length: int, transform: int, axis: Samples
    ) -> NDArray[np.complex64]:
        """Spectrum of a noise at a random level relative to the recording's mean power."""
        c = self.config
        if not self.sounds.noises or self.rng.random() < c.synthetic:
            drawn = self.rng.standard_normal(2 * len(axis), np.float32).view(np.complex64)
            slope = np.float32(self.rng.uniform(-30, 3))
            spectrum, heard = drawn * 10 ** (slope * np.sqrt(axis) / 20), transform
        else:
            noise = self.sounds.noises[int(self.rng.integers(len(self.sounds.noises)))]
            noise = np.resize(np.roll(noise, -int(self.rng.integers(len(noise)))), length)
            spectrum, heard = scipy.fft.rfft(noise, transform), length
        power = 2 * np.square(np.abs(spectrum)).sum() / transform / heard + 1e-20
        ratio = c.snr_db if self.rng.random() < c.noise else (40.0, 65.0)
        wanted = np.square(samples).mean() / 10 ** (self.rng.uniform(*ratio) / 10)
        result: NDArray[np.complex64] = spectrum * np.float32(np.sqrt(wanted / power))
        return result

    def _colour(self, axis: Samples) -> Samples:
        """Random frequency response, as a factor of amplitude on a frequency axis [0, 1]."""
        coarse, gain = self.gains()
        return np.interp(axis, coarse, 10 ** (gain / 20)).astype(np.float32)

    def gains(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gains in dB on a frequency axis [0, 1]."""
        c, draw = self.config, self.rng.uniform
        coarse = np.linspace(0, 1, 65)
        gain = draw(*c.gain_db) + draw(-c.tilt_db, c.tilt_db) * (2 * coarse - 1)
        for ripples in (0.5, 1.0, 2.0, 4.0):
            phase = draw(0, 2 * np.pi) + 2 * np.pi * ripples * np.sqrt(coarse)
            gain += draw(-c.tilt_db / 2, c.tilt_db / 2) * np.cos(phase)
        hertz, kind = coarse * SAMPLE_RATE / 2, self.rng.random()
        if kind < c.telephone:
            outside = 0.1 * np.maximum(hertz - 3400, 0) + 0.15 * np.maximum(300 - hertz, 0)
            gain -= np.minimum(outside, 50)
        elif kind < c.telephone + c.lowpass:
            gain -= np.minimum(0.1 * np.maximum(hertz - draw(3500, 7500), 0), 50)
        return coarse, gain

    def mask(self, segments: Segments) -> Segments:
        """Masks random adjacent bins of every recording's spectrogram, with leading axes (B, T)."""
        spectrogram = segments.spectrogram.clone()
        bins = spectrogram.shape[-1]
        for recording in spectrogram:
            start = int(self.rng.integers(bins))
            recording[..., start : start + int(self.rng.integers(self.config.masked_bins + 1))] = -1
        return segments._replace(spectrogram=spectrogram)


class Room(Augment):
    """One room and microphone for many recordings: colour, reverberation and noise are drawn once.

    Only the position within the noise differs between recordings.
    """

    def __init__(self, config: AugmentConfig, sounds: Sounds, seed: int) -> None:
        drawn = Augment(config, sounds, seed)
        rng = drawn.rng
        self._gains = drawn.gains()
        rooms = bool(sounds.impulse_responses) and rng.random() < config.reverberation
        self._response = drawn.response() if rooms else None
        ratio = float(rng.uniform(*(config.snr_db if rng.random() < config.noise else (40, 65))))
        noises = [n for n in sounds.noises if rng.random() >= config.synthetic]
        noises = [noises[int(rng.integers(len(noises)))]] if noises else []
        fixed = replace(
            config,
            reverberation=float(rooms),
            noise=1.0,
            synthetic=float(not noises or rng.random() < config.synthetic),
            snr_db=(ratio, ratio),
        )
        super().__init__(fixed, replace(sounds, noises=noises), seed)

    def gains(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """This room's frequency response."""
        return self._gains

    def response(self) -> Samples:
        """This room's impulse response."""
        return self._response if self._response is not None else super().response()
