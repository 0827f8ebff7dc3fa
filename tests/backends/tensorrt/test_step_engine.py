"""The whole step graph as one engine, for GPUs that are not here."""

from __future__ import annotations

import numpy as np
import pytest

from edgeser.backends.tensorrt import Batches, Flavour, build
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.errors import BackendError
from edgeser.export.precision import float16, int8
from edgeser.export.step_graph import step_graph
from tests import toy
from tests.backends.tensorrt.plan_header import constant_types, read_header
from tests.sounds import noise

BATCHES = Batches(usual=1, most=8)
STATES = (
    *("tail", "level", "position", "rings", "pause", "gate_tokens", "gate_count"),
    *("speaker_sum", "speaker_utterances", "speaker_mean", "speaker_square"),
)


@pytest.fixture(scope="module")
def graph() -> bytes:
    return step_graph(read_bundle(DEFAULT_BUNDLE))


@pytest.mark.parametrize("target", [(8, 6), (8, 9), (12, 0)], ids=lambda t: f"sm_{t[0]}{t[1]}")
def test_it_is_built_with_its_state_in_and_out(
    rtx: Flavour, graph: bytes, target: tuple[int, int]
) -> None:
    engine = build(rtx, graph, BATCHES, target=target)
    header = read_header(engine)
    assert (header.targets, header.version, header.size) == ((target,), rtx.version, len(engine))
    for name in ("audio", *STATES, "log_probabilities", "speech", *(f"{s}_out" for s in STATES)):
        assert name.encode() in engine
    assert b"stream_capturable=1" in engine
    assert b"out of bounds [1, 8]" in engine


def test_the_precision_is_that_of_the_front_end_alone(rtx: Flavour) -> None:
    bundle = read_bundle(DEFAULT_BUNDLE)
    feed = {
        "segment": noise(8 * toy.SEGMENT).reshape(8, toy.SEGMENT),
        "level": np.full(8, -20, np.float32),
    }
    sizes = bundle.manifest.sizes
    convolution = bundle.tensors["frontend.wide.1.weight"].shape
    deep_weight = bundle.tensors["vq.deep_weight"].shape
    for kind, lower in (
        ("half", float16(bundle.frontend)),
        ("int8", int8(bundle.frontend, [feed])),
    ):
        engine = build(rtx, step_graph(bundle, lower), BATCHES, target=(8, 9))
        height, width, inputs, outputs = convolution
        assert constant_types(engine, (outputs, inputs, height, width)) == {kind}
        assert constant_types(engine, deep_weight) <= {"float"}
        assert constant_types(engine, (sizes.taps * sizes.width, sizes.width)) == {"float"}


def test_what_cannot_be_is_refused(rtx: Flavour, graph: bytes) -> None:
    with pytest.raises(BackendError, match=r"9\.0; it does for"):
        build(rtx, graph, BATCHES, target=(9, 0))
    with pytest.raises(BackendError, match=r"not an ONNX graph|does not take"):
        build(rtx, graph[: len(graph) // 2], BATCHES, target=(8, 6))
