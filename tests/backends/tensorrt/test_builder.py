"""TensorRT-RTX builds real engines without a GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeser.backends.tensorrt import Batches, Flavour, build, find_flavour
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.errors import BackendError
from edgeser.export import precision as graphs
from tests import toy
from tests.backends.tensorrt.plan_header import constant_types, read_header
from tests.sounds import noise

BATCHES = Batches(usual=1, most=64)


@pytest.mark.parametrize("target", [(8, 6), (8, 9), (12, 0)], ids=lambda t: f"sm_{t[0]}{t[1]}")
@pytest.mark.parametrize("model", ["toy", "bundled"])
def test_a_front_end_becomes_an_engine(rtx: Flavour, model: str, target: tuple[int, int]) -> None:
    graph = toy.frontend() if model == "toy" else read_bundle(DEFAULT_BUNDLE).frontend
    told: list[float] = []
    engine = build(rtx, graph, BATCHES, target=target, progress=told.append)
    header = read_header(engine)
    assert header.targets == (target,)
    assert header.version == rtx.version
    assert header.size == len(engine)
    assert f"accelerators={{sm{target[0]}{target[1]} }}".encode() in engine
    for name in ("segment", "level", "deep", "latent", "level_out"):
        assert name.encode() in engine
    assert told == sorted(told)
    assert told[0] < 0.5
    assert told[-1] == 1.0


def matrix_graph(kind: str) -> bytes:
    """x (B, 64) @ w (64, 64) in float32, in float16 between casts, or in int8 by Q/DQ."""
    weight = np.linspace(-1, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    nodes = []
    made = {"w": weight, "scale": np.float32(1 / 127), "zero": np.int8(0)}
    if kind == "fp32":
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    elif kind == "fp16":
        made["w"] = weight.astype(np.float16)
        nodes = [
            helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("MatMul", ["half", "w"], ["z"]),
            helper.make_node("Cast", ["z"], ["y"], to=TensorProto.FLOAT),
        ]
    else:
        made["w"] = np.round(weight * 127).astype(np.int8)
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["xx"]),
            helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["ww"]),
            helper.make_node("MatMul", ["xx", "ww"], ["y"]),
        ]
    graph = helper.make_graph(
        nodes,
        kind,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 64])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in made.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def test_precision_is_that_of_the_graph(rtx: Flavour) -> None:
    engines = {
        kind: build(rtx, matrix_graph(kind), BATCHES, target=(8, 6))
        for kind in ("fp32", "fp16", "int8")
    }
    types = {kind: constant_types(engine, (64, 64)) for kind, engine in engines.items()}
    assert types == {"fp32": {"float"}, "fp16": {"half"}, "int8": {"int8"}}
    for engine in engines.values():
        assert b"tf32=0" in engine
        assert b"stream_capturable=1" in engine


FEED = {
    "segment": noise(8 * toy.SEGMENT).reshape(8, toy.SEGMENT),
    "level": np.full(8, -20, np.float32),
}


@pytest.mark.parametrize(
    ("kind", "lower"),
    [
        ("float", lambda graph: graph),
        ("half", graphs.float16),
        ("int8", lambda graph: graphs.int8(graph, [FEED])),
    ],
)
def test_the_bundled_front_end_in_each_precision(
    rtx: Flavour, kind: str, lower: Callable[[bytes], bytes]
) -> None:
    full = read_bundle(DEFAULT_BUNDLE).frontend
    engine = build(rtx, lower(full), BATCHES, target=(8, 6))
    shapes = [tuple(t.dims) for t in onnx.load_from_string(full).graph.initializer]
    network = [shape for shape in shapes if shape[2:] == (3, 3)]
    network += [shape[::-1] for shape in shapes if len(shape) == 2]
    assert len(network) > 5
    for shape in network:
        assert constant_types(engine, shape) == {kind}, shape
    # The transforms need the range of float32, whatever the network has.
    transforms = [shape for shape in shapes if len(shape) == 3]
    assert len(transforms) == 2
    for shape in transforms:
        assert constant_types(engine, (*shape, 1)) == {"float"}, shape


def test_the_profile_is_in_the_engine(rtx: Flavour) -> None:
    engine = build(rtx, toy.frontend(), Batches(usual=3, most=77), target=(8, 6))
    assert b"out of bounds [1, 77]" in engine  # what it says of other batches


def test_ctrl_c_ends_a_build(rtx: Flavour) -> None:
    def interrupt(done: float) -> None:
        if done > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(rtx, toy.frontend(), BATCHES, target=(8, 6), progress=interrupt)


def test_targets_are_refused_by_name(rtx: Flavour) -> None:
    with pytest.raises(BackendError, match=r"9\.0; it does for 7\.5, 8\.0, 8\.6"):
        build(rtx, toy.frontend(), BATCHES, target=(9, 0))
    assert {(8, 6), (8, 9), (12, 0)} <= set(rtx.targets())


def alien_graph() -> bytes:
    model = toy.build_frontend()
    model.graph.node[-1].op_type = "Tangle"
    serialised: bytes = model.SerializeToString()
    return serialised


def fixed_graph() -> bytes:
    model = toy.build_frontend()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    serialised: bytes = model.SerializeToString()
    return serialised


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (b"", "not an ONNX graph|does not take"),
        (b"this is no graph", "not an ONNX graph|does not take"),
        (toy.frontend()[:-2000], "not an ONNX graph|does not take"),
        (alien_graph(), "Tangle"),
        (fixed_graph(), "segment has shape"),
    ],
    ids=["empty", "text", "cut", "alien operator", "fixed batch"],
)
def test_graphs_are_refused_with_a_reason(rtx: Flavour, graph: bytes, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        build(rtx, graph, BATCHES, target=(8, 6))


@pytest.mark.parametrize(("usual", "most"), [(0, 1), (2, 1), (1, 5000)])
def test_batches_must_make_sense(usual: int, most: int) -> None:
    with pytest.raises(BackendError, match="1 <= usual <= largest"):
        Batches(usual, most)


def test_no_tensorrt_is_named() -> None:
    with pytest.raises(BackendError, match=r"tensorrt_lite.*edgeser\[tensorrt-rtx\]"):
        find_flavour("tensorrt_lite")


def test_an_old_tensorrt_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("tensorrt", "8.5.2.2"), ("tensorrt_rtx", "1.7.1")):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(__version__=version))
    assert find_flavour().title == "TensorRT-RTX"
    with pytest.raises(BackendError, match=r"TensorRT: 8.5.2.2 is too old, 10 is needed"):
        find_flavour("tensorrt")
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.3.0"))
    assert find_flavour().title == "TensorRT"
