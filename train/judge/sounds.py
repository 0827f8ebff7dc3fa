"""Audio between recordings: the room's noise floor, digital silence, pops."""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW = 2400
"""Length in samples of the quietest part, from which the noise floor is made: 150 ms."""

Samples = NDArray[np.float32]


def floor_of(samples: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """The recording's own noise floor for so many seconds, mono at 16 kHz.

    Noise with the spectrum of the recording's quietest 150 ms that are not digital silence; zeros
    if there are none.
    """
    length = round(seconds * SAMPLE_RATE)
    starts = np.arange(0, max(len(samples) - WINDOW, 0) + 1, WINDOW // 4)
    energy = np.array([np.square(samples[s : s + WINDOW]).mean() for s in starts])
    alive = energy > 0
    if not alive.any() or length == 0:
        return np.zeros(length, np.float32)
    start = starts[np.where(alive, energy, np.inf).argmin()]
    part = samples[start : start + WINDOW]
    shape = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    shape = np.convolve(shape, np.ones(9) / 9, "same")
    bins = length // 2 + 1
    wanted = np.interp(np.linspace(0, 1, bins), np.linspace(0, 1, len(shape)), shape)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * wanted, length)
    scale = np.sqrt(np.square(part).mean() / (np.square(noise).mean() + 1e-30))
    result: Samples = (noise * scale).astype(np.float32)
    return result


def pop(rng: np.random.Generator) -> Samples:
    """A microphone is switched on: 30 ms of low frequency, a sharp start, half of full scale."""
    time = np.arange(480) / SAMPLE_RATE
    wave = np.exp(-time / 0.008) * np.cos(2 * np.pi * rng.uniform(30, 120) * time)
    result: Samples = (0.5 * wave).astype(np.float32)
    return result


def plosive(rng: np.random.Generator) -> Samples:
    """Breath on a microphone: 80 ms of noise below 200 Hz."""
    noise = rng.standard_normal(1280)
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(1280, 1 / SAMPLE_RATE) > 200] = 0
    wave = np.fft.irfft(spectrum, 1280) * np.hanning(1280)
    result: Samples = (0.4 * wave / np.abs(wave).max()).astype(np.float32)
    return result
