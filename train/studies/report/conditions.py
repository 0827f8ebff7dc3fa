"""The rooms and lines that a model is tried in: noise, gain, telephone, reverberation.

Noises and impulse responses are those that training never mixes in.
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
    """A random noise at this ratio to the recording's mean power."""

    def condition(samples: Samples, rng: np.random.Generator) -> Samples:
        noise = noises[int(rng.integers(len(noises)))]
        noise = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(samples))
        ratio = np.square(samples).mean() / (np.square(noise).mean() + 1e-12) / 10 ** (snr_db / 10)
        return samples + noise * np.float32(np.sqrt(ratio))

    return condition


def louder(gain_db: float) -> Condition:
    """The whole recording at another gain, without clipping."""
    return lambda samples, _: samples * np.float32(10 ** (gain_db / 20))


def telephone(samples: Samples, _: np.random.Generator) -> Samples:
    """Through 8 kHz, which leaves what lies below 4 kHz."""
    narrow = soxr.resample(samples, SAMPLE_RATE, 8000)
    wide = soxr.resample(narrow, 8000, SAMPLE_RATE).astype(np.float32)
    padded: Samples = np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]
    return padded


def in_room(responses: Sequence[Samples]) -> Condition:
    """Through a random impulse response, direct sound first, at the recording's own power."""

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
    """All of them by name, the recordings as they are first."""
    noises = [e.audio() for e in noise_for_testing(noise)]
    rooms = [read_audio(r.path) for r in responses_for_testing(responses)]
    return {
        "as recorded": None,
        **{f"noise at {snr} dB": noisy(noises, snr) for snr in (20, 10, 5)},
        **{f"{gain:+d} dB gain": louder(gain) for gain in (-20, 10)},
        "telephone, 8 kHz": telephone,
        "plate reverberation": in_room(rooms),
    }
