"""From a trained model to what runs: the bundle, and the step graph for other people's runtimes."""

import copy
import warnings
from collections.abc import Mapping
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
from train.models.segment import HOP, LEAD, SAMPLE_RATE, SEGMENT
from train.models.tacn import TACN, TACNLayer, TACNState

OPSET = 18
"""Old enough for the TensorRT of JetPack 6, new enough for everything used here."""


def folded(module: nn.Module) -> nn.Module:
    """A copy in eval mode with every batch normalisation folded into the convolution before it."""
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
        # The exporter warns of deprecations inside torch itself, which no caller can mend.
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
    for node in graph.graph.node:  # where the source stood on the machine that exported
        del node.metadata_props[:]
    onnx.checker.check_model(graph, full_check=True)
    serialised: bytes = graph.SerializeToString()
    return serialised


def frontend_onnx(frontend: FrontEnd) -> bytes:
    """``frontend.onnx``: see :class:`FrontEnd` for its inputs and outputs."""
    inputs = {"segment": torch.randn(2, SEGMENT) * 0.1, "level": torch.full((2,), -30.0)}
    return to_onnx(folded(frontend), inputs, ("deep", "latent", "level_out"))


def kernel_tensors(model: EmotionModel, temperature: float) -> dict[str, NDArray[np.float32]]:
    """The kernels' weights, (in, out); the temperature divides the emotions' logits."""
    layers = [layer for layer in model.tacn.layers if isinstance(layer, TACNLayer)]
    fusion = model.fusion
    cooled = torch.ones(len(model.config.labels) + 1)
    cooled[:-1] /= temperature
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
        "head.weight": model.head.weight.T * cooled,
        "head.bias": model.head.bias * cooled,
    }
    if not model.config.latent:
        tensors["vq.latent_weight"] = torch.zeros_like(tensors["vq.latent_weight"])
    return {k: np.ascontiguousarray(v.detach().float().numpy()) for k, v in tensors.items()}


def as_array(tensor: Tensor) -> NDArray[np.float32]:
    """A contiguous float32 copy."""
    return np.ascontiguousarray(tensor.detach().float().numpy())


def convolutions(body: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a folded body, in order; ReLU follows all but a bare one."""
    return [part for part in body.modules() if isinstance(part, nn.Conv2d)]


def frontend_tensors(
    frontend: FrontEnd,
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
    """What the native front end is made of: weights by name, and the facts for the manifest.

    Kernels are (height, width, in, out), and the head's rows count the maps' channels fastest.
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
            # A convolution under a batch normalisation, now folded into it, has a ReLU after it.
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
) -> str:
    """Write the bundle and return its hash.

    ``facts`` gives name, version, licence, notices and training.
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
        },
        "frontend": layers,
        "normalisation": c.to_dict()["level"],
        "level_initial": UNSET,
        "thresholds": dict(thresholds),
        "calibration": {"temperature": temperature},
    }
    tensors = kernel_tensors(model, temperature) | network
    return write_bundle(path, manifest, frontend_onnx(model.frontend), tensors)


class StepGraph(nn.Module):
    """One hop of the whole model, its state in and out.

    For runtimes that keep the state for their client.

    The rings are one flat row a stream, in the order of the kernels' state block: layer, slot, (Q,
    K, V), and within each of these the heads fastest.
    """

    def __init__(self, model: EmotionModel, temperature: float) -> None:
        super().__init__()
        folded_frontend = folded(model.frontend)
        assert isinstance(folded_frontend, FrontEnd)
        self.frontend = folded_frontend
        self.fusion = copy.deepcopy(model.fusion).eval()
        self.tacn = heads_fastest(model.tacn)
        self.head = copy.deepcopy(model.head)
        cooled = torch.ones(len(model.config.labels) + 1)
        cooled[:-1] /= temperature
        with torch.no_grad():
            self.head.weight.mul_(cooled[:, None])
            self.head.bias.mul_(cooled)

    def forward(
        self, audio: Tensor, tail: Tensor, level: Tensor, position: Tensor, rings: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """One hop of B streams.

        Takes audio (B, 2048), tail (B, 2176), level (B, 1), position (B, 1) int64, rings (B, R);
        gives log_probabilities (B, L), speech (B, 1), and the four states anew. A stream starts
        with zeros for tail, position and rings and -1000 for the level.
        """
        segment = torch.cat([tail, audio], dim=1)
        deep, latent, heard = self.frontend(segment, level[:, 0])
        token = self.fusion(deep, latent)
        c = self.tacn.config
        parts = rings.split([(c.taps - 1) * 2**n * 3 * c.width for n in range(c.layers)], dim=1)
        past = [part.reshape(-1, (c.taps - 1) * 2**n, 3, c.width) for n, part in enumerate(parts)]
        y, state = self.tacn.step(token, TACNState(position[:, 0], past))
        logits = self.head(y)
        flat = torch.cat([ring.flatten(1) for ring in state.rings], dim=1)
        return (
            logits[:, :-1].log_softmax(-1),
            logits[:, -1:].sigmoid(),
            segment[:, HOP:],
            heard[:, None],
            state.position[:, None],
            flat,
        )


def heads_fastest(tacn: TACN) -> TACN:
    """A copy whose Q, K and V columns are ordered as in the state block: heads fastest.

    The same function: the columns of the projections and the rows of the output move together.
    """
    c = tacn.config
    order = torch.arange(c.width).reshape(c.heads, -1).T.flatten()
    moved = copy.deepcopy(tacn).eval()
    for layer in moved.layers:
        assert isinstance(layer, TACNLayer)
        layer.interleaved = True
        with torch.no_grad():
            layer.qkv.copy_(layer.qkv[:, :, order])
            layer.output.copy_(layer.output[order])
    return moved


def step_onnx(model: EmotionModel, temperature: float = 1.0) -> bytes:
    """``step.onnx``: see :class:`StepGraph` for its inputs and outputs."""
    graph = StepGraph(model, temperature).eval()
    c = model.config.tacn
    floats = sum((c.taps - 1) * 2**n * 3 * c.width for n in range(c.layers))
    inputs = {
        "audio": torch.randn(2, HOP) * 0.1,
        "tail": torch.zeros(2, LEAD),
        "level": torch.full((2, 1), UNSET),
        "position": torch.zeros(2, 1, dtype=torch.int64),
        "rings": torch.zeros(2, floats),
    }
    states = ("tail_out", "level_out", "position_out", "rings_out")
    return to_onnx(graph, inputs, ("log_probabilities", "speech", *states))
