"""A tiny but valid bundle with random weights, made quickly with NumPy and onnx.helper.

Its front end is the shipped one, small: a spectrogram, the running level, two bodies of one
convolution each, once told as layers and once as an ONNX graph. So everything that the SDK promises
can be tested without PyTorch and without a trained model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from edgeser.bundle import write_bundle
from edgeser.bundle.tensors import expected_shapes

SEGMENT, HOP = 4224, 2048
DEEP, POSITIONS, CODE_WIDTH = 24, 4, 8
WINDOW, WINDOW_HOP = 256, 128  # 32 frames of 128 bins
WIDE, WIDE_KERNEL = 8, 8  # channels, and the side of a kernel that steps by itself: 4 x 16 of them
ENCODER_KERNEL = (16, 64)  # 2 x 2 positions
LABELS = ("anger", "happiness", "sadness", "neutral")
UNSET = -1000.0
LEVEL = {
    "rise": 0.5,
    "fall": 0.005,
    "fall_limit": 30.0,
    "headroom": 10.0,
    "quietest": -140.0,
    "dynamic_range": 50.0,
    "first_bin": 2,
}


def manifest(**changes: Any) -> dict[str, Any]:
    """The manifest of a small bundle; ``changes`` replace entries."""
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
            "gate_hidden": 8,
            "gate_memory": 3,
        },
        "sequence": {"pause": 8},
        "speaker": {
            "adapt": False,
            "prior": 10.0,
            "floor": 0.3,
            "bound": 2.0,
            "most": 20.0,
            "shortest": 4,
            "calibration": 10.0,
        },
        "normalisation": dict(LEVEL),
        "level_initial": UNSET,
        "frontend": {
            "wide": [{"stride": [WIDE_KERNEL] * 2, "padding": [0, 0], "relu": True}],
            "narrow": [],
            "encoder": [{"stride": list(ENCODER_KERNEL), "padding": [0, 0], "relu": False}],
            "spectrogram": {"window": WINDOW, "hop": WINDOW_HOP},
            "harmonics": {
                "window": 1024,
                "hop": 512,
                "lowest": 70.0,
                "bands": 104,
                "bands_an_octave": 24,
            },
        },
        "thresholds": {"speech": 0.5, "confidence": 0.0},
        "calibration": {"temperature": 1.0},
        "training": {"note": "random weights"},
        **changes,
    }


def tensors(seed: int = 0, *, layers: bool = True) -> dict[str, npt.NDArray[np.float32]]:
    """Random kernels of the right shapes, scaled so that signals neither vanish nor blow up.

    Without ``layers``, none of the front end's: they are in its graph alone.
    """
    random = np.random.default_rng(seed)
    shapes = expected_shapes(manifest()["sizes"], len(LABELS))
    made = {}
    for name, shape in shapes.items():
        fan_in = shape[-2] if len(shape) > 1 and name != "vq.codebook" else 1
        scale = (0.1 if name.endswith("bias") else 1.0) / np.sqrt(fan_in)
        made[name] = (scale * random.standard_normal(shape)).astype(np.float32)
    made["gate.out_bias"][:] = 3.0  # lean towards speech, so that verdicts have something to weigh
    made["speaker.deviation"] = np.exp(0.2 * made["speaker.deviation"])
    made["speaker.between"] = 0.5 + np.abs(made["speaker.between"])
    for name in ("mean", "neutral", "known"):
        made[f"speaker.{name}"] *= np.float32(0.3)
    return {**made, **(_front_end_tensors(seed) if layers else {})}


def _front_end_tensors(seed: int) -> dict[str, npt.NDArray[np.float32]]:
    random = np.random.default_rng(seed + 1)
    features = WIDE * (32 // WIDE_KERNEL) * (128 // WIDE_KERNEL)
    kernel = int(np.prod(ENCODER_KERNEL))
    return {
        "frontend.wide.0.weight": _normal(
            random, (WIDE_KERNEL, WIDE_KERNEL, 1, WIDE), WIDE_KERNEL**2
        ),
        "frontend.wide.0.bias": _normal(random, (WIDE,), 100),
        "frontend.encoder.0.weight": _normal(random, (*ENCODER_KERNEL, 1, CODE_WIDTH), kernel / 16),
        "frontend.encoder.0.bias": _normal(random, (CODE_WIDTH,), 100),
        "frontend.head.weight": _normal(random, (features, DEEP), features / 4),
        "frontend.head.bias": _normal(random, (DEEP,), 100),
    }


def frontend(seed: int = 0) -> bytes:
    """The serialised front end."""
    return build_frontend(seed).SerializeToString()


def build_frontend(seed: int = 0) -> ModelProto:
    """(segment, level) -> (deep, latent, level_out), as an ONNX model."""
    weights, nodes = {}, []

    def constant(name: str, value: Any) -> str:
        weights[name] = np.asarray(value)
        return name

    def number(value: float) -> str:
        return constant(f"number {value:g}", np.float32(value))

    def axes(*values: int) -> str:
        return constant(f"axes {values}", np.array(values, np.int64))

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    # The spectrogram: a filter for each cosine and sine, then power (batch, frames, bins).
    node("Unsqueeze", ["segment", axes(1)], "sound")
    node("Conv", ["sound", constant("waves", _waves())], "parts", strides=[WINDOW_HOP])
    node("Mul", ["parts", "parts"], "squares")
    node("Split", ["squares"], "real", axis=1, num_outputs=2)
    nodes[-1].output.append("imaginary")
    node("Add", ["real", "imaginary"], "bins")
    node("Transpose", ["bins"], "power", perm=[0, 2, 1])
    # How loud the newest hop is, in decibels.
    frames, rest = HOP // WINDOW_HOP, LEVEL["first_bin"] - 1
    node(
        "Slice",
        ["power", axes(32 - frames, int(rest)), axes(32, 128), constant("both", [1, 2])],
        "newest",
    )
    node("ReduceSum", ["newest", axes(1, 2)], "sum", keepdims=0)
    node("Mul", ["sum", number(1e20 / frames)], "scaled")
    node("Add", ["scaled", number(1.0)], "above one")
    node("Log", ["above one"], "nepers")
    node("Mul", ["nepers", number(10 / np.log(10))], "decibels")
    node("Sub", ["decibels", number(200.0)], "heard")
    # The running level after it.
    node("Sub", ["heard", "level"], "away")
    node("Max", ["away", number(-LEVEL["fall_limit"])], "difference")
    node("Greater", ["difference", number(0.0)], "louder")
    node("Where", ["louder", number(LEVEL["rise"]), number(LEVEL["fall"])], "rate")
    node("Mul", ["rate", "difference"], "move")
    node("Add", ["level", "move"], "moved")
    node("Sub", ["heard", number(LEVEL["headroom"])], "least")
    node("Max", ["moved", "least"], "followed")
    node("Greater", ["level", number(UNSET / 2)], "known")
    node("Where", ["known", "followed", "heard"], "next")
    node("Max", ["next", number(LEVEL["quietest"])], "level_out")
    # Power relative to it.
    span = LEVEL["dynamic_range"]
    node("Sub", [number(span), "level_out"], "gain in decibels")
    node("Mul", ["gain in decibels", number(np.log(10) / 10)], "gain in nepers")
    node("Exp", ["gain in nepers"], "gain")
    node("Unsqueeze", ["gain", axes(1, 2)], "gains")
    node("Mul", ["power", "gains"], "relative")
    node("Add", ["relative", number(1.0)], "relative above one")
    node("Log", ["relative above one"], "logarithm")
    node("Mul", ["logarithm", number(20 / (span * np.log(10)))], "stretched")
    node("Sub", ["stretched", number(1.0)], "unbounded")
    node("Min", ["unbounded", number(1 + 20 / span)], "normal")
    # Both bodies, channels last.
    tensors = _front_end_tensors(seed)
    node("Unsqueeze", ["normal", axes(1)], "view")
    for body in ("wide", "encoder"):
        kernel = tensors[f"frontend.{body}.0.weight"]
        constant(f"{body} weight", np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        constant(f"{body} bias", tensors[f"frontend.{body}.0.bias"])
        made = ["view", f"{body} weight", f"{body} bias"]
        node("Conv", made, f"{body} map", strides=list(kernel.shape[:2]))
        node("Transpose", [f"{body} map"], f"{body} last", perm=[0, 2, 3, 1])
    node("Relu", ["wide last"], "wide features")
    node("Flatten", ["wide features"], "features")
    constant("to_deep", tensors["frontend.head.weight"])
    node("Gemm", ["features", "to_deep", constant("bias", tensors["frontend.head.bias"])], "mixed")
    node("Relu", ["mixed"], "deep")
    node(
        "Reshape",
        ["encoder last", constant("as latent", [-1, POSITIONS, CODE_WIDTH])],
        "latent",
    )
    graph = helper.make_graph(
        nodes,
        "toy",
        [_value("segment", SEGMENT), _value("level")],
        [_value("deep", DEEP), _value("latent", POSITIONS, CODE_WIDTH), _value("level_out")],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model)
    return model


def _waves() -> npt.NDArray[np.float32]:
    """(2 * 128, 1, 256): windowed cosines, then sines, whose bins sum to the mean square."""
    n, k = np.arange(WINDOW), np.arange(1, WINDOW // 2 + 1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / WINDOW)
    scale = np.sqrt(np.where(k == WINDOW // 2, 1, 2) / (WINDOW * (hann**2).sum()))
    phase = 2 * np.pi * np.outer(k, n) / WINDOW
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * hann * np.tile(scale, 2)[:, None]
    return waves.astype(np.float32)[:, None]


def write(path: Path, seed: int = 0, *, layers: bool = True, **changes: Any) -> Path:
    """Write a toy bundle to ``path`` and return it; without ``layers``, one for ONNX Runtime."""
    about = manifest(**changes)
    if not layers:
        del about["frontend"]
    write_bundle(path, about, frontend(seed), tensors(seed, layers=layers))
    return path


def _normal(
    random: np.random.Generator, shape: tuple[int, ...], fan_in: float
) -> npt.NDArray[np.float32]:
    return (random.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def _value(name: str, *inner: int) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *inner])
