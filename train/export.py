"""Exports a trained model to a bundle."""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgeser.bundle import write_bundle
from train.models import harmonics, spectrogram
from train.models.cnn import NARROW_PLACES, WIDE_PLACES
from train.models.emotion import EmotionModel, FrontEnd
from train.models.level import UNSET
from train.models.segment import HOP, SAMPLE_RATE, SEGMENT
from train.models.tacn import TACNLayer

OPSET = 18
"""Old enough for TensorRT of JetPack 6, new enough for all operators used here."""

PAUSE = 8
"""Tokens without speech that end a sequence: 1.02 s."""


def folded(module: nn.Module) -> nn.Module:
    """A copy in eval mode, with every batch normalisation folded into the preceding convolution."""
    copied = copy.deepcopy(module).eval().float()
    for part in list(copied.modules()):
        if (
            isinstance(part, nn.Sequential)
            and len(part) > 1
            and isinstance(part[1], nn.BatchNorm2d)
        ):
            assert isinstance(part[0], nn.Conv2d)
            part[0] = fuse_conv_bn_eval(part[0], part[1])
            part[1] = nn.Identity()
    return copied


def to_onnx(module: nn.Module, inputs: Mapping[str, Tensor], outputs: tuple[str, ...]) -> bytes:
    """Serialise a module as one ONNX graph; the first axis of everything is the batch."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():
        # The exporter triggers deprecation warnings within torch itself, which callers cannot fix.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    graph.producer_name, graph.producer_version = "edgeser", ""
    del graph.metadata_props[:]
    for node in graph.graph.node:  # source locations on the machine that exported
        del node.metadata_props[:]
    onnx.checker.check_model(graph, full_check=True)
    serialised: bytes = graph.SerializeToString()
    return serialised


def frontend_onnx(frontend: FrontEnd) -> bytes:
    """``frontend.onnx``; see :class:`FrontEnd` for its inputs and outputs."""
    inputs = {"segment": torch.randn(2, SEGMENT) * 0.1, "level": torch.full((2,), -30.0)}
    return to_onnx(folded(frontend), inputs, ("deep", "latent", "level_out"))


def kernel_tensors(model: EmotionModel, temperature: float) -> dict[str, NDArray[np.float32]]:
    """The kernels' weights, (in, out); the emotions' logits are divided by the temperature."""
    layers = [layer for layer in model.tacn.layers if isinstance(layer, TACNLayer)]
    fusion = model.fusion
    speaker, gate = model.speaker, model.gate
    tensors = {
        "vq.codebook": fusion.codebook.codes,
        "vq.deep_weight": fusion.from_deep.weight.T,
        "vq.latent_weight": fusion.from_latent.weight.T,
        "vq.bias": fusion.from_deep.bias,
        "tacn.query": torch.stack([layer.qkv[0] for layer in layers]),
        "tacn.key": torch.stack([layer.qkv[1] for layer in layers]),
        "tacn.value": torch.stack([layer.qkv[2] for layer in layers]),
        "tacn.output": torch.stack([layer.output for layer in layers]),
        "tacn.taps": torch.stack([layer.filters for layer in layers]),
        "tacn.bias": torch.stack([layer.bias for layer in layers]),
        "head.weight": model.head.weight.T / temperature,
        "head.bias": model.head.bias / temperature,
        "gate.weight": gate.weight,
        "gate.bias": gate.bias,
        "gate.out": gate.out.weight[0],
        "gate.out_bias": gate.out.bias,
        "speaker.mean": speaker.mean,
        "speaker.deviation": speaker.deviation,
        "speaker.between": speaker.between,
        "speaker.neutral": speaker.neutral,
        "speaker.known": speaker.known,
    }
    if not model.config.latent:
        tensors["vq.latent_weight"] = torch.zeros_like(tensors["vq.latent_weight"])
    return {k: np.ascontiguousarray(v.detach().float().numpy()) for k, v in tensors.items()}


def as_array(tensor: Tensor) -> NDArray[np.float32]:
    """A contiguous float32 copy."""
    return np.ascontiguousarray(tensor.detach().float().numpy())


def convolutions(body: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a folded body, in order; all except a bare one are followed by ReLU."""
    return [part for part in body.modules() if isinstance(part, nn.Conv2d)]


def frontend_tensors(
    frontend: FrontEnd,
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
    """The native front end: weights by name, and entries for the manifest.

    Kernels are (height, width, in, out); in the head's rows, channels are the fastest axis.
    """
    network = folded(frontend)
    assert isinstance(network, FrontEnd)
    narrow = network.cnn.narrow
    bodies = {"wide": network.cnn.body, "encoder": network.encoder.body}
    if narrow is not None:
        bodies["narrow"] = narrow
    tensors: dict[str, NDArray[np.float32]] = {}
    facts: dict[str, Any] = {
        "spectrogram": {"window": spectrogram.WINDOW, "hop": spectrogram.FRAME_HOP},
        "harmonics": {
            "window": harmonics.WINDOW,
            "hop": harmonics.FRAME_HOP,
            "lowest": harmonics.LOWEST,
            "bands": harmonics.BANDS,
            "bands_an_octave": harmonics.BANDS_AN_OCTAVE,
        },
        "narrow": [],
    }
    for name, body in bodies.items():
        parts = list(body.modules())
        facts[name] = []
        for n, layer in enumerate(convolutions(body)):
            assert layer.bias is not None
            tensors[f"frontend.{name}.{n}.weight"] = as_array(layer.weight.permute(2, 3, 1, 0))
            tensors[f"frontend.{name}.{n}.bias"] = as_array(layer.bias)
            # A convolution with batch normalisation, which is folded by now, is followed by a ReLU.
            relu = any(
                isinstance(p, nn.Sequential) and p[0] is layer and len(p) == 3 for p in parts
            )
            facts[name].append(
                {"stride": list(layer.stride), "padding": list(layer.padding), "relu": relu}
            )
    linear = network.cnn.head[0]
    assert isinstance(linear, nn.Linear)
    rows, begin = [], 0
    read = [(network.cnn.body, WIDE_PLACES)] + ([(narrow, NARROW_PLACES)] if narrow else [])
    for body, places in read:
        channels = convolutions(body)[-1].out_channels
        part = linear.weight[:, begin : begin + channels * places]
        rows.append(part.unflatten(1, (channels, places)).permute(2, 1, 0).flatten(0, 1))
        begin += channels * places
    tensors["frontend.head.weight"] = as_array(torch.cat(rows))
    tensors["frontend.head.bias"] = as_array(linear.bias)
    return tensors, facts


def export_bundle(
    model: EmotionModel,
    path: Path,
    facts: Mapping[str, Any],
    thresholds: Mapping[str, float],
    temperature: float = 1.0,
    graph: bytes | None = None,
) -> str:
    """Writes the bundle and returns its hash.

    ``facts`` contains name, version, licence, notices and training. ``graph`` is the result of
    ``frontend_onnx`` for the same front end, if it exists already.
    """
    c = model.config
    network, layers = frontend_tensors(model.frontend)
    manifest = {
        **facts,
        "labels": list(c.labels),
        "sizes": {
            "sample_rate": SAMPLE_RATE,
            "segment": SEGMENT,
            "hop": HOP,
            "deep": c.cnn.features,
            "positions": c.vqvae.positions,
            "code_width": c.vqvae.code_width,
            "codes": c.vqvae.codes,
            "width": c.tacn.width,
            "layers": c.tacn.layers,
            "heads": c.tacn.heads,
            "taps": c.tacn.taps,
            "gate_hidden": c.gate.hidden,
            "gate_memory": c.gate.memory,
        },
        "sequence": {"pause": PAUSE},
        "speaker": asdict(model.speaker.config),
        "frontend": layers,
        "normalisation": c.to_dict()["level"],
        "level_initial": UNSET,
        "thresholds": dict(thresholds),
        "calibration": {"temperature": temperature},
    }
    tensors = kernel_tensors(model, temperature) | network
    return write_bundle(path, manifest, graph or frontend_onnx(model.frontend), tensors)
