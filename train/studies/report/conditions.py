"""Test conditions for a model: noise, gain, telephone, reverberation.

Noises and impulse responses are held out from training.
"""

from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from train.data.audio import read_audio
from train.data.batches import Condition
from train.data.examples import Corpus, noise_for_testing, responses_for_testing
from train.data.manifest import Recording
from train.models.segment import SAMPLE_RATE

Samples = NDArray[np.float32]


def noisy(noises: Sequence[Samples], snr_db: float) -> Condition:
    """Adds a random noise with this signal-to-noise ratio, relative to the recording's power."""

    def condition(samples: Samples, rng: np.random.Generator) -> Samples:
        noise = noises[int(rng.integers(len(noises)))]
        noise = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(samples))
        ratio = np.square(samples).mean() / (np.square(noise).mean() + 1e-12) / 10 ** (snr_db / 10)
        return samples + noise * np.float32(np.sqrt(ratio))

    return condition


def louder(gain_db: float) -> Condition:
    """Applies a gain to the whole recording, without clipping."""
    return lambda samples, _: samples * np.float32(10 ** (gain_db / 20))


def telephone(samples: Samples, _: np.random.Generator) -> Samples:
    """Resamples to 8 kHz and back, which removes everything above 4 kHz."""
    narrow = soxr.resample(samples, SAMPLE_RATE, 8000)
    wide = soxr.resample(narrow, 8000, SAMPLE_RATE).astype(np.float32)
    padded: Samples = np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]
    return padded


def in_room(responses: Sequence[Samples]) -> Condition:
    """Convolves with a random impulse response, from its direct sound on; keeps the power."""

    def condition(samples: Samples, rng: np.random.Generator) -> Samples:
        response = responses[int(rng.integers(len(responses)))]
        response = response[np.abs(response).argmax() :]
        size = len(samples) + len(response)
        spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
        heard = np.fft.irfft(spectrum, size)[: len(samples)]
        scale = np.sqrt(np.square(samples).mean() / (np.square(heard).mean() + 1e-20))
        result: Samples = (heard * scale).astype(np.float32)
        return result

    return condition


def conditions(noise: Corpus, responses: Sequence[Recording]) -> dict[str, Condition | None]:
    """All conditions by name; the first is the unchanged recording (None)."""
    noises = [e.audio() for e in noise_for_testing(noise)]
    rooms = [read_audio(r.path) for r in responses_for_testing(responses)]
    return {
        "as recorded": None,
        **{f"noise at {snr} dB": noisy(noises, snr) for snr in (20, 10, 5)},
        **{f"{gain:+d} dB gain": louder(gain) for gain in (-20, 10)},
        "telephone, 8 kHz": telephone,
        "plate reverberation": in_room(rooms),
    }
