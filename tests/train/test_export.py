"""The three forms of a model, PyTorch, bundle and step graph, are one function."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

import edgeser
from edgeser.bundle import read_bundle
from tests.train.models import small_model, voice
from train.checkpoint import Checkpoint
from train.export import export_bundle, step_onnx
from train.models.emotion import EmotionModel
from train.models.segment import HOP, LEAD

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
    """Log-probabilities and speech scores of all frames of a stream."""
    stream = edgeser.load(path).stream(sample_rate=16_000)
    frames = [f for part in np.array_split(samples, 7) for f in stream.process(part)]
    frames += stream.flush().frames
    return np.log([list(f.probabilities.values()) for f in frames]), [f.speech for f in frames]


@pytest.mark.parametrize("gain", [1.0, 1e-4, 0.0])
def test_stream_equals_offline(model: EmotionModel, bundle: Path, gain: float) -> None:
    audio = voice(5.3) * gain
    audio[:, 30_000:40_000] = 0.0
    with torch.no_grad():
        logits = model(audio)[0].double()
    log_probabilities, speech = streamed(bundle, audio[0].numpy())
    np.testing.assert_allclose(log_probabilities, logits[:, :-1].log_softmax(-1), rtol=0, atol=1e-4)
    np.testing.assert_allclose(speech, logits[:, -1].sigmoid(), rtol=0, atol=1e-4)


def test_step_graph_equals_the_stream_and_shares_its_state(
    model: EmotionModel, bundle: Path
) -> None:
    audio = voice(4.0)[0].numpy()[: 31 * HOP]
    session = onnxruntime.InferenceSession(step_onnx(model), providers=["CPUExecutionProvider"])
    floats = session.get_inputs()[4].shape[1]
    state = {
        "tail": np.zeros((2, LEAD), np.float32),
        "level": np.full((2, 1), -1000, np.float32),
        "position": np.zeros((2, 1), np.int64),
        "rings": np.zeros((2, floats), np.float32),
    }
    rows = []
    for t in range(31):
        # The second stream of the batch hears something else: it must not matter to the first.
        hop = np.stack([audio[t * HOP : (t + 1) * HOP], np.full(HOP, 0.01 * (t % 3), np.float32)])
        log_probabilities, _, *after = session.run(None, {"audio": hop, **state})
        state = dict(zip(state, after, strict=True))
        rows.append(log_probabilities[0])
    expected, _ = streamed(bundle, audio)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-4)

    kernel = _kernel(bundle)
    block = np.zeros(kernel.state_bytes, np.uint8)
    for token in _tokens(model, audio):
        kernel.step(token[None], [block])
    assert int(block[:8].view(np.int64)[0]) == int(state["position"][0, 0]) == 31
    np.testing.assert_allclose(block[64:].view(np.float32), state["rings"][0], rtol=0, atol=1e-4)


def _kernel(bundle: Path) -> "edgeser._kernels.TACN":
    from edgeser._kernels import TACN

    loaded = read_bundle(bundle)
    tensors, sizes = loaded.tensors, loaded.manifest.sizes
    parts = ("query", "key", "value", "output", "taps", "bias")
    return TACN(
        *(tensors[f"tacn.{part}"] for part in parts),
        tensors["head.weight"],
        tensors["head.bias"],
        heads=sizes.heads,
        dilations=sizes.dilations,
    )


@torch.no_grad()
def _tokens(model: EmotionModel, audio: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    padded, level, tokens = (
        torch.from_numpy(np.pad(audio, (LEAD, 0)))[None],
        torch.tensor([-1000.0]),
        [],
    )
    for t in range(len(audio) // HOP):
        deep, latent, level = model.frontend(padded[:, t * HOP : t * HOP + LEAD + HOP], level)
        tokens.append(model.fusion(deep, latent)[0].numpy())
    return tokens


def test_temperature_divides_the_logits(model: EmotionModel, tmp_path: Path) -> None:
    audio = voice(1.5)
    export_bundle(model, tmp_path / "cool.edgeser", FACTS, THRESHOLDS, temperature=2.0)
    with torch.no_grad():
        expected = (model(audio)[0, :, :-1] / 2).log_softmax(-1)
    cooled, _ = streamed(tmp_path / "cool.edgeser", audio[0].numpy())
    np.testing.assert_allclose(cooled, expected, rtol=0, atol=1e-4)


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
