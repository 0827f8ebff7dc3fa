"""Measurements of a model besides its scores."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from train.data.examples import Corpus
from train.data.manifest import Recording
from train.evaluate import confidence_threshold, coverage
from train.studies.report.conditions import conditions, in_room, louder, noisy, telephone

RNG = np.random.default_rng(0)


def test_noise_comes_at_its_ratio() -> None:
    samples = RNG.standard_normal(16_000).astype(np.float32)
    noise = RNG.standard_normal(5_000).astype(np.float32)
    added = noisy([noise], 10)(samples, RNG) - samples
    assert np.square(added).mean() / np.square(samples).mean() == pytest.approx(0.1, rel=1e-3)


def test_gain_is_gain_and_a_telephone_has_no_treble() -> None:
    samples = RNG.standard_normal(16_000).astype(np.float32)
    np.testing.assert_allclose(louder(-20)(samples, RNG), samples / 10, rtol=1e-5)
    narrow = telephone(samples, RNG)
    assert narrow.shape == samples.shape
    power = np.abs(np.fft.rfft(narrow)) ** 2
    assert power[4200:].sum() < 1e-4 * power[:3800].sum()


def test_a_room_keeps_length_and_power() -> None:
    samples = RNG.standard_normal(8_000).astype(np.float32)
    response = (RNG.standard_normal(4_000) * np.exp(-np.arange(4_000) / 800)).astype(np.float32)
    heard = in_room([response])(samples, RNG)
    assert heard.shape == samples.shape
    assert np.square(heard).mean() == pytest.approx(np.square(samples).mean(), rel=1e-3)


def test_conditions_use_what_is_never_trained_with(tmp_path: Path) -> None:
    recordings = []
    for i in range(6):
        soundfile.write(tmp_path / f"{i}.flac", np.full(4_000, 0.1 * (i + 1)), 16_000)
        recordings.append(Recording(tmp_path / f"{i}.flac", "noise", "", "", "", ""))
    tried = conditions(Corpus(recordings, tmp_path / "cache"), recordings)
    assert list(tried) == [
        *("as recorded", "noise at 20 dB", "noise at 10 dB", "noise at 5 dB"),
        *("-20 dB gain", "+10 dB gain", "telephone, 8 kHz", "plate reverberation"),
    ]
    assert tried["as recorded"] is None


def test_a_threshold_is_the_lowest_that_is_right_enough() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]])
    truth = np.array([0, 0, 1, 1])
    assert confidence_threshold(probabilities, truth, 0.5) == 0.0
    assert confidence_threshold(probabilities, truth, 0.66) == 0.56
    assert confidence_threshold(probabilities, truth, 1.0) == 0.61
    assert confidence_threshold(probabilities, 1 - truth, 1.0) == 0.99
    assert coverage(probabilities, truth, 0.7) == (0.5, 1.0)
    assert coverage(probabilities, truth, 0.0) == (1.0, 0.5)
