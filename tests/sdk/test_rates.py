"""A stream at any rate equals offline resampling and a stream at the model's rate."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

import edgeser
from edgeser._kernels import Resampler
from tests.sounds import push, speech_like, whole


@pytest.mark.parametrize("rate", [44_100, 48_000, 8_000, 22_050])
def test_equals_one_shot_resampling_first(model: edgeser.Model, rate: int) -> None:
    sound = speech_like(4.0, rate)
    bank = Resampler(rate, model.sample_rate)
    state = np.zeros(bank.state_bytes, np.uint8)
    once = np.concatenate((bank.process(sound, state), bank.flush(state)))
    assert once.size == -(-len(sound) * model.sample_rate // rate)

    stream = model.stream(rate)
    frames = push(stream, sound, 1_234)
    frames += stream.flush().frames
    assert frames == whole(model.stream(model.sample_rate), once)


@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050])
def test_the_rate_hardly_matters(model: edgeser.Model, rate: int) -> None:
    """One voice, recorded at two rates: content above 8 kHz has no effect."""
    voice = speech_like(4.0, 96_000)
    at_model_rate = soxr.resample(voice, 96_000, 16_000, quality="VHQ").astype(np.float32)
    elsewhere = soxr.resample(voice, 96_000, rate, quality="VHQ").astype(np.float32)
    one = model.analyze(at_model_rate, 16_000).verdict
    other = model.analyze(elsewhere, rate).verdict
    assert one.label == other.label
    for label in model.labels:
        assert one.probabilities[label] == pytest.approx(other.probabilities[label], abs=0.05)
