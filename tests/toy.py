"""A tiny but real bundle: random weights, made in a moment with numpy and the onnx helper alone.

Its front end does what the shipped one does, small: it follows the running level, brings the
segment to a fixed loudness by it, and turns it into deep features and latent vectors. So everything
that the SDK promises can be tested without PyTorch and without a trained model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from edgeser.bundle import write_bundle
from edgeser.bundle.manifest import check_manifest
from edgeser.bundle.tensors import expected_shapes

SEGMENT, HOP = 4224, 2048
DEEP, POSITIONS, CODE_WIDTH = 24, 4, 8
FILTERS, FILTER_WIDTH = 16, 132  # 4224 = 32 * 132: 32 steps, then 4 positions of 8
LABELS = ("anger", "happiness", "sadness", "neutral")


def manifest(**changes: Any) -> dict[str, Any]:
    """What a toy bundle says of itself; ``changes`` replace entries."""
    return {
        "name": "toy",
        "version": "1",
        "labels": list(LABELS),
        "licence": "CC0-1.0",
        "notices": [],
        "sizes": {
            "sample_rate": 16_000,
            "segment": SEGMENT,
            "hop": HOP,
            "deep": DEEP,
            "positions": POSITIONS,
            "code_width": CODE_WIDTH,
            "codes": 16,
            "width": 32,
            "layers": 4,
            "heads": 8,
            "taps": 3,
        },
        "normalisation": {"target_dbfs": -20.0},
        "level_initial": -1000.0,
        "thresholds": {"speech": 0.5, "confidence": 0.0},
        "calibration": {"temperature": 1.0},
        "training": {"note": "random weights"},
        **changes,
    }


def tensors(seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Random kernels of the right shapes, scaled so that signals neither vanish nor blow up."""
    random = np.random.default_rng(seed)
    members = {name: {"bytes": 1, "sha256": "0" * 64} for name in _MEMBERS}
    shapes = expected_shapes(check_manifest(manifest(format=1, members=members)))
    made = {}
    for name, shape in shapes.items():
        fan_in = shape[-2] if len(shape) > 1 and name != "vq.codebook" else 1
        scale = (0.1 if name.endswith("bias") else 1.0) / np.sqrt(fan_in)
        made[name] = (scale * random.standard_normal(shape)).astype(np.float32)
    made["head.bias"][-1] = 0.5  # lean towards speech, so that verdicts have something to weigh
    return made


def frontend(seed: int = 0) -> bytes:
    """The serialised front end."""
    return build_frontend(seed).SerializeToString()


def build_frontend(seed: int = 0) -> ModelProto:
    """(segment, level) -> (deep, latent, level_out), as an ONNX model."""
    random = np.random.default_rng(seed)
    weights = {
        "hop_start": np.array([SEGMENT - HOP]),
        "hop_end": np.array([SEGMENT]),
        "axis": np.array([1]),
        "silence": np.float32(1e-13),
        "floor": np.float32(-120.0),
        "decay": np.float32(0.25),
        "decibels": np.float32(10 / np.log(10)),
        "nepers": np.float32(np.log(10) / 20),
        "target": np.float32(-20.0),
        "as_sound": np.array([-1, 1, SEGMENT]),
        "filters": _normal(random, (FILTERS, 1, FILTER_WIDTH), FILTER_WIDTH),
        "as_latent": np.array([-1, POSITIONS, CODE_WIDTH * FILTERS]),
        "to_latent": _normal(random, (CODE_WIDTH * FILTERS, CODE_WIDTH), FILTERS),
        "as_row": np.array([-1, POSITIONS * CODE_WIDTH]),
        "to_deep": _normal(random, (POSITIONS * CODE_WIDTH, DEEP), POSITIONS),
    }
    nodes = [
        # The level: that of the newest hop, or what is left of an earlier, louder one.
        _node("Slice", ["segment", "hop_start", "hop_end", "axis"], "newest"),
        _node("Mul", ["newest", "newest"], "squares"),
        _node("ReduceMean", ["squares", "axis"], "power", keepdims=0),
        _node("Add", ["power", "silence"], "heard"),
        _node("Log", ["heard"], "log"),
        _node("Mul", ["log", "decibels"], "hop_level"),
        _node("Sub", ["level", "decay"], "faded"),
        _node("Max", ["hop_level", "faded", "floor"], "level_out"),
        # To one loudness, so that the gain before it does not matter.
        _node("Sub", ["target", "level_out"], "missing"),
        _node("Mul", ["missing", "nepers"], "log_gain"),
        _node("Exp", ["log_gain"], "gain"),
        _node("Unsqueeze", ["gain", "axis"], "gains"),
        _node("Mul", ["segment", "gains"], "levelled"),
        # A filter bank in place of a spectrogram, then two projections.
        _node("Reshape", ["levelled", "as_sound"], "sound"),
        _node("Conv", ["sound", "filters"], "bands", strides=[FILTER_WIDTH]),
        _node("Abs", ["bands"], "loud"),
        _node("Reshape", ["loud", "as_latent"], "grouped"),
        _node("MatMul", ["grouped", "to_latent"], "latent"),
        _node("Reshape", ["latent", "as_row"], "row"),
        _node("MatMul", ["row", "to_deep"], "mixed"),
        _node("Tanh", ["mixed"], "deep"),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [_value("segment", SEGMENT), _value("level")],
        [_value("deep", DEEP), _value("latent", POSITIONS, CODE_WIDTH), _value("level_out")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model)
    return model


def write(path: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a toy bundle to ``path`` and return it."""
    write_bundle(path, manifest(**changes), frontend(seed), tensors(seed))
    return path


_MEMBERS = ("frontend.onnx", "kernels.safetensors")


def _normal(
    random: np.random.Generator, shape: tuple[int, ...], fan_in: int
) -> npt.NDArray[np.float32]:
    return (random.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


def _value(name: str, *inner: int) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *inner])
