"""Implementations of the lookup, alone or with its fusion; each function makes one contestant.

A lookup takes (n, 64) to n codes, a fusion (B, 96) and (B, 16, 64) to tokens (B, 64).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.vq import task
from bench.worker import Contestant


def edgeser(rows: int, lookup: bool) -> Contestant:
    """Our kernel through its Python binding; in a lookup it also makes tokens of one value."""
    from edgeser import _kernels

    positions, deep_width, width = (1, 1, 1) if lookup else (task.POSITIONS, task.DEEP, task.WIDTH)
    w = task.weights(positions, deep_width, width)
    fusion = _kernels.VQFusion(w.codebook, w.deep_weight, w.latent_weight, w.bias)
    deep, latent = task.inputs(rows, positions, deep_width)
    tokens, codes = fusion(deep, latent)
    return Contestant(lambda: fusion(deep, latent), codes[:, 0] if lookup else tokens)


def _around(rows: int, lookup: bool, nearest: Callable[[task.Floats], Any]) -> Contestant:
    """Adds NumPy's gather and products to a lookup, (n, 64) to n codes, if a fusion is wanted."""
    if lookup:
        vectors = task.inputs(rows, 1, 1)[1][:, 0]
        return Contestant(lambda: nearest(vectors), np.array(nearest(vectors)))
    w = task.weights(task.POSITIONS, task.DEEP, task.WIDTH)
    deep, latent = task.inputs(rows, task.POSITIONS, task.DEEP)
    flat = latent.reshape(-1, task.CODE_WIDTH)

    def fuse() -> Any:
        chosen = w.codebook[nearest(flat)].reshape(rows, -1)
        return deep @ w.deep_weight + chosen @ w.latent_weight + w.bias

    return Contestant(fuse, np.array(fuse()))


def numpy(rows: int, lookup: bool) -> Contestant:
    """NumPy, by the expanded square; transposed codebook and norms are prepared before."""
    codebook = task.weights(1, 1, 1).codebook
    turned, norms = np.ascontiguousarray(-2 * codebook.T), (codebook**2).sum(1)

    def nearest(vectors: task.Floats) -> Any:
        scores = vectors @ turned
        scores += norms
        return scores.argmin(1)

    return _around(rows, lookup, nearest)


def faiss(rows: int, lookup: bool) -> Contestant:
    """An exact index of faiss; the fusion around it is NumPy's."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(task.CODE_WIDTH)
    index.add(task.weights(1, 1, 1).codebook)
    return _around(rows, lookup, lambda vectors: index.search(vectors, 1)[1][:, 0])


def onnx_runtime(rows: int, lookup: bool) -> Contestant:
    """ONNX Runtime, one graph."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(_graph(lookup), options, providers=["CPUExecutionProvider"])
    if lookup:
        feed = {"latent": task.inputs(rows, 1, 1)[1][:, 0]}
    else:
        deep, latent = task.inputs(rows, task.POSITIONS, task.DEEP)
        feed = {"deep": deep, "latent": latent.reshape(-1, task.CODE_WIDTH)}
    return Contestant(lambda: session.run(None, feed), session.run(None, feed)[0])


def _graph(lookup: bool) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    w = task.weights(task.POSITIONS, task.DEEP, task.WIDTH)
    constants = {
        "turned": np.ascontiguousarray(-2 * w.codebook.T),
        "norms": (w.codebook**2).sum(1),
    }
    nodes = [
        helper.make_node("Gemm", ["latent", "turned", "norms"], ["scores"]),
        helper.make_node("ArgMin", ["scores"], ["codes"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["n", task.CODE_WIDTH])]
    outputs = [helper.make_tensor_value_info("codes", TensorProto.INT64, ["n"])]
    if not lookup:
        constants |= {
            "codebook": w.codebook,
            "flat": np.array([-1, task.POSITIONS * task.CODE_WIDTH]),
            "deep_weight": w.deep_weight,
            "latent_weight": w.latent_weight,
            "bias": w.bias,
        }
        nodes += [
            helper.make_node("Gather", ["codebook", "codes"], ["chosen"]),
            helper.make_node("Reshape", ["chosen", "flat"], ["map"]),
            helper.make_node("Gemm", ["map", "latent_weight", "bias"], ["from_latent"]),
            helper.make_node("MatMul", ["deep", "deep_weight"], ["from_deep"]),
            helper.make_node("Add", ["from_latent", "from_deep"], ["tokens"]),
        ]
        inputs.append(helper.make_tensor_value_info("deep", TensorProto.FLOAT, ["b", task.DEEP]))
        outputs = [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["b", task.WIDTH])]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "vq", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    serialised: bytes = model.SerializeToString()
    return serialised


def torch(rows: int, lookup: bool) -> Contestant:
    """PyTorch, eager."""
    import torch

    torch.set_num_threads(1)
    w = task.weights(task.POSITIONS, task.DEEP, task.WIDTH)
    codebook, deep_weight, latent_weight, bias = (
        torch.from_numpy(part) for part in (w.codebook, w.deep_weight, w.latent_weight, w.bias)
    )
    turned, norms = (-2 * codebook.T).contiguous(), (codebook**2).sum(1)
    positions, deep_width = (1, 1) if lookup else (task.POSITIONS, task.DEEP)
    deep, latent = (torch.from_numpy(part) for part in task.inputs(rows, positions, deep_width))
    flat = latent.reshape(-1, task.CODE_WIDTH)

    def call() -> Any:
        with torch.inference_mode():
            codes = torch.addmm(norms, flat, turned).argmin(1)
            if lookup:
                return codes
            chosen = codebook[codes].reshape(rows, -1)
            return torch.addmm(bias, deep, deep_weight) + chosen @ latent_weight

    return Contestant(call, np.array(call()))
