"""The front end's graph in lower precisions, and the page about their error."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.export import precision as graphs
from tests.sounds import speech_like
from train.studies.precision.page import page

PAGE = Path(__file__).parents[3] / "docs" / "model" / "precision.md"

FEED: graphs.Feed = {
    "segment": np.stack([speech_like(4224 / 16_000, seed=seed) for seed in range(6)]),
    "level": np.full(6, -25, np.float32),
}


@pytest.fixture(scope="module")
def full() -> bytes:
    return read_bundle(DEFAULT_BUNDLE).frontend


@pytest.fixture(scope="module")
def lower(full: bytes) -> dict[str, bytes]:
    return {"float16": graphs.float16(full), "int8": graphs.int8(full, [FEED])}


def run(graph: bytes) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type) for i in session.get_inputs()] == [
        ("segment", "tensor(float)"),
        ("level", "tensor(float)"),
    ]
    return list(session.run(["deep", "latent", "level_out"], FEED))


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 0.003), ("int8", 0.1)])
def test_outputs_are_near_those_of_float32(
    full: bytes, lower: dict[str, bytes], precision: str, tolerance: float
) -> None:
    for got, want in zip(run(lower[precision])[:2], run(full)[:2], strict=True):
        error = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
        assert 1e-5 < error < tolerance  # and not the same: it really is lower
        assert got.dtype == np.float32


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_the_running_level_stays_as_it_is(
    full: bytes, lower: dict[str, bytes], precision: str
) -> None:
    np.testing.assert_allclose(run(lower[precision])[2], run(full)[2], atol=1e-4)


def test_float16_halves_the_network_and_not_the_transforms(
    full: bytes, lower: dict[str, bytes]
) -> None:
    kinds = {t.name: t.data_type for t in onnx.load_from_string(lower["float16"]).graph.initializer}
    halves = {n for n, kind in kinds.items() if kind == onnx.TensorProto.FLOAT16}
    assert halves
    assert all(name.startswith(("cnn.", "encoder.")) for name in halves)
    assert not [n for n in kinds if n.startswith(("cnn.", "encoder.")) and n not in halves]
    assert any("basis" in name and name not in halves for name in kinds)
    assert len(lower["float16"]) < len(full)


def test_int8_is_symmetric_and_by_channel(lower: dict[str, bytes]) -> None:
    graph = onnx.load_from_string(lower["int8"]).graph
    values = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    scales = []
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert values[node.input[2]].dtype == np.int8
            assert not values[node.input[2]].any()  # TensorRT wants zero to be zero
            scales.append(values[node.input[1]].size)
    assert 32 in scales  # one an output of a convolution
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    made = {name: n for n in graph.node for name in n.output}
    quantised = [
        n for n in convolutions if n.input[0] in made and made[n.input[0]].op_type[:2] == "De"
    ]
    assert len(convolutions) - len(quantised) == 2  # the two transforms of the waveform


def test_the_page_says_what_was_measured() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(
        json.loads(PAGE.with_suffix(".json").read_text(encoding="utf-8"))
    )
