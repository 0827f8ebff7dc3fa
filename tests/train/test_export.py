"""The three forms of a model, PyTorch, bundle and step graph, are one function."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import edgeser
from tests.train.models import small_model, voice
from train.checkpoint import Checkpoint
from train.export import PAUSE, export_bundle
from train.models.emotion import EmotionModel

FACTS = {"name": "small", "version": "1", "licence": "Apache-2.0", "notices": [], "training": {}}
THRESHOLDS = {"speech": 0.5, "confidence": 0.0}


@pytest.fixture(scope="module")
def model() -> EmotionModel:
    return small_model()


@pytest.fixture(scope="module")
def bundle(model: EmotionModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "small.edgeser"
    export_bundle(model, path, FACTS, THRESHOLDS)
    return path


def streamed(path: Path, samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[float]]:
    """Log-probabilities and speech scores of all frames of a stream that hears every hop."""
    stream = edgeser.load(path).stream(sample_rate=16_000, every_hop=True)
    frames = [f for part in np.array_split(samples, 7) for f in stream.process(part)]
    frames += stream.flush().frames
    return np.log([list(f.probabilities.values()) for f in frames]), [f.speech for f in frames]


@pytest.mark.parametrize("gain", [1.0, 1e-4])
def test_stream_equals_offline(model: EmotionModel, bundle: Path, gain: float) -> None:
    audio = voice(5.3) * gain
    logits, scores = model.offline(audio, THRESHOLDS["speech"], PAUSE)
    opened = scores >= 0
    assert 4 < int(opened.sum()) < len(opened)
    log_probabilities, speech = streamed(bundle, audio[0].numpy())
    np.testing.assert_allclose(
        log_probabilities, logits.double().log_softmax(-1), rtol=0, atol=1e-4
    )
    np.testing.assert_allclose(speech, scores.double().sigmoid(), rtol=0, atol=1e-4)


def test_temperature_divides_the_logits(model: EmotionModel, tmp_path: Path) -> None:
    audio = voice(1.5)
    export_bundle(model, tmp_path / "cool.edgeser", FACTS, THRESHOLDS, temperature=2.0)
    logits, _ = model.offline(audio, THRESHOLDS["speech"], PAUSE)
    cooled, _ = streamed(tmp_path / "cool.edgeser", audio[0].numpy())
    np.testing.assert_allclose(cooled, (logits / 2).log_softmax(-1), rtol=0, atol=1e-4)


def test_checkpoint_round_trip(model: EmotionModel, tmp_path: Path) -> None:
    Checkpoint(model, 1.3, {"speech": 0.4, "confidence": 0.1}, {"name": "x"}).save(
        tmp_path / "a.safetensors"
    )
    back = Checkpoint.load(tmp_path / "a.safetensors")
    assert (back.temperature, back.thresholds["speech"], back.facts) == (1.3, 0.4, {"name": "x"})
    with torch.no_grad():
        assert torch.equal(back.model(voice(1.0)), model(voice(1.0)))


def test_same_model_same_bundle(model: EmotionModel, bundle: Path, tmp_path: Path) -> None:
    export_bundle(model, tmp_path / "again.edgeser", FACTS, THRESHOLDS)
    assert (tmp_path / "again.edgeser").read_bytes() == bundle.read_bytes()
