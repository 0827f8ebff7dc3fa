"""The step as an ONNX graph, with attention as plain operators or as ONNX Runtime's fused one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.tacn.task import HEADS, LAYERS, OUTPUTS, TAPS, Folded


def step_graph(w: Folded, fused: bool) -> bytes:
    """``token`` (B, C), ``past`` (N, k-1, B, 3C) to ``logits`` (B, L+1), ``newest`` (N, B, 3C)."""
    width = w.bias.shape[1]
    constants: dict[str, npt.NDArray[Any]] = {
        "by_head": np.array([0, TAPS, HEADS, width // HEADS]),
        "flat": np.array([0, TAPS * width]),
        "scale": np.array((width // HEADS) ** -0.5, np.float32),
        "axis_0": np.array([0]),
        "axis_1": np.array([1]),
        "head_weight": w.head_weight,
        "head_bias": w.head_bias,
    }
    nodes = []

    def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    node("Split", ["past"], [f"past_{n}" for n in range(LAYERS)], axis=0, num_outputs=LAYERS)
    x = "token"
    for n in range(LAYERS):
        name = [f"{part}_{n}" for part in ("qkv", "row", "older", "taps", "q", "k", "v")]
        qkv, row, older, taps, q, k, v = name
        constants |= {f"wp_{n}": w.projection[n], f"wc_{n}": w.convolution[n], f"b_{n}": w.bias[n]}
        node("MatMul", [x, f"wp_{n}"], [qkv])
        node("Unsqueeze", [qkv, "axis_1"], [row])  # (B, 1, 3C)
        node("Squeeze", [f"past_{n}", "axis_0"], [f"s_{n}"])  # (k-1, B, 3C)
        node("Transpose", [f"s_{n}"], [older], perm=[1, 0, 2])
        node("Concat", [row, older], [taps], axis=1)
        node("Split", [taps], [q, k, v], axis=2, num_outputs=3)
        if fused:
            nodes.append(
                helper.make_node(
                    "MultiHeadAttention",
                    [q, k, v],
                    [f"mixed_{n}"],
                    domain="com.microsoft",
                    num_heads=HEADS,
                )
            )
        else:
            for part, order in ((q, [0, 2, 1, 3]), (k, [0, 2, 3, 1]), (v, [0, 2, 1, 3])):
                node("Reshape", [part, "by_head"], [part + "r"])
                node("Transpose", [part + "r"], [part + "t"], perm=order)
            node("MatMul", [q + "t", k + "t"], [f"dot_{n}"])
            node("Mul", [f"dot_{n}", "scale"], [f"scores_{n}"])
            node("Softmax", [f"scores_{n}"], [f"share_{n}"], axis=-1)
            node("MatMul", [f"share_{n}", v + "t"], [f"heads_{n}"])
            node("Transpose", [f"heads_{n}"], [f"mixed_{n}"], perm=[0, 2, 1, 3])
        node("Reshape", [f"mixed_{n}", "flat"], [f"flat_{n}"])
        node("Gemm", [f"flat_{n}", f"wc_{n}", f"b_{n}"], [f"z_{n}"])
        node("Relu", [f"z_{n}"], [f"relu_{n}"])
        node("Add", [x, f"relu_{n}"], [f"x_{n}"])
        node("Unsqueeze", [qkv, "axis_0"], [f"new_{n}"])
        x = f"x_{n}"
    node("Gemm", [x, "head_weight", "head_bias"], ["logits"])
    node("Concat", [f"new_{n}" for n in range(LAYERS)], ["newest"], axis=0)

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "tacn_step",
        [value("token", "B", width), value("past", LAYERS, TAPS - 1, "B", 3 * width)],
        [value("logits", "B", OUTPUTS), value("newest", LAYERS, "B", 3 * width)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains[: 1 + fused], ir_version=9)
    serialised: bytes = model.SerializeToString()
    return serialised
