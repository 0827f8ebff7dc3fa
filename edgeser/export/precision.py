"""Converts ``frontend.onnx`` to float16 or int8, for other runtimes.

TensorRT takes the precision from the graph: from casts, and from pairs of QuantizeLinear and
DequantizeLinear. ONNX Runtime runs the same graphs. Only the network is converted; the views
of a segment and the running level need the range of float32.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cpu.front_end import Features
from edgeser.backends.onnx_runtime import onnx_runtime
from edgeser.bundle import Bundle
from edgeser.model import Model

Feed = dict[str, NDArray[np.float32]]
"""Inputs of the graph: segment (B, 4224) and level (B,)."""

_IMAGE_KERNEL = 4
"""Axes of the weights of a convolution over time and frequency; those of the transforms have 3."""


def float16(graph: bytes) -> bytes:
    """The same graph with its network in float16; inputs and outputs stay float32."""
    model = onnx.load_from_string(graph)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    network, rest = _network(model)
    inside = {name for node in network for name in node.output}
    halves: dict[str, str] = {}
    before, after = [], []

    def half(name: str) -> str:
        """The name of a float32 tensor from outside, in float16."""
        if name not in halves:
            halves[name] = f"{name}.float16"
            if name in weights:
                values = numpy_helper.to_array(weights[name]).astype(np.float16)
                model.graph.initializer.append(numpy_helper.from_array(values, halves[name]))
            else:
                before.append(_cast(name, halves[name], TensorProto.FLOAT16))
        return halves[name]

    for node in network:
        for i, name in enumerate(node.input):
            whole = name in weights and weights[name].data_type != TensorProto.FLOAT
            if name and name not in inside and not whole:
                node.input[i] = half(name)
    for output in model.graph.output:
        if output.name in inside:
            inner = f"{output.name}.float16"
            _rename(network, output.name, inner)
            after.append(_cast(inner, output.name, TensorProto.FLOAT))
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend([*rest, *before, *network, *after])
    _drop_unused(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def int8(graph: bytes, calibration: Iterable[Feed]) -> bytes:
    """The same graph with the inputs and weights of its network's products in int8.

    Symmetric, as TensorRT wants it: a scale for each output of a product, and one for each map,
    from the greatest value that it takes over ``calibration``.
    """
    onnx_runtime()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc] # it comes without types
        def __init__(self) -> None:
            self.feeds = iter(calibration)

        def get_next(self) -> Feed | None:
            return next(self.feeds, None)

    model = onnx.load_from_string(graph)
    network, _ = _network(model)
    products = [node.name for node in network if node.op_type in ("Conv", "Gemm")]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            made,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=products,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": ["Conv", "Gemm"],
            },
        )
        return made.read_bytes()


def calibration_feeds(
    bundle: Bundle,
    recordings: Iterable[str | os.PathLike[str]],
    progress: Callable[[], object] | None = None,
) -> list[Feed]:
    """The inputs of the front end while a stream processes each of these recordings.

    ``progress`` is called after each of them.

    Raises:
        AudioError: a file cannot be read.
    """
    feeds: list[Feed] = []
    engine = Engine(bundle)
    front_end = engine.front_end

    def listen(segments: NDArray[np.float32], levels: NDArray[np.float32]) -> Features:
        feeds.append({"segment": segments, "level": levels})
        return front_end(segments, levels)

    engine.front_end = listen
    model = Model(engine)
    for recording in recordings:
        model.analyze(recording)
        if progress is not None:
            progress()
    return feeds


def _network(model: onnx.ModelProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The products over images and features with all that follows them, and all other nodes."""
    axes = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    inside: set[str] = set()
    network, rest = [], []
    for node in model.graph.node:  # in topological order
        product = node.op_type == "Gemm" or (
            node.op_type == "Conv" and axes.get(node.input[1]) == _IMAGE_KERNEL
        )
        if product or inside & set(node.input):
            inside |= set(node.output)
            network.append(node)
        else:
            rest.append(node)
    return network, rest


def _cast(name: str, to: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [name], [to], name=f"cast_{to}", to=kind)


def _rename(nodes: Iterable[onnx.NodeProto], name: str, new: str) -> None:
    for node in nodes:
        for names in (node.input, node.output):
            for i, old in enumerate(names):
                if old == name:
                    names[i] = new


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
