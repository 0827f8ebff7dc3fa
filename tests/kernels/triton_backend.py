"""The Triton kernels as backends of the tester: on a GPU where there is one, else interpreted."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from edgeser.backends.cuda.front_end_shape import FrontEndModel
from edgeser.backends.cuda.shapes import TacnShape, VQShape
from edgeser.backends.cuda.triton.launch import CONFIGURATIONS, LARGEST_WIDTH, Configuration
from edgeser.bundle.network import Convolution, Network
from edgeser.reference.front_end import FrontEndWeights, Layer
from edgeser.reference.kernels import TacnWeights, VQFusionWeights
from tests.kernels import tensor_cores

if TYPE_CHECKING:
    from edgeser.backends.cuda.triton import front_end_host, host

Float32s = npt.NDArray[np.float32]

AVAILABLE = all(importlib.util.find_spec(package) for package in ("torch", "triton"))
DEVICE = "cuda" if Path("/dev/nvidia0").exists() else "cpu"


def as_on_a_gpu() -> AbstractContextManager[None]:
    """The arithmetic of a GPU, if the kernels are interpreted."""
    return tensor_cores.interpreted() if DEVICE == "cpu" else nullcontext()


class TritonTacn:
    """The step in one configuration, whatever the size of a batch."""

    def __init__(self, model: host.TacnStep, chosen: Configuration) -> None:
        self.model, self.chosen = model, chosen

    def fresh(self) -> npt.NDArray[np.uint8]:
        """The block that the CPU's kernels have, too."""
        return np.zeros(self.model.shape.state_bytes, np.uint8)

    def step(
        self,
        tokens: Float32s,
        states: Sequence[npt.NDArray[np.uint8]],
        active: npt.NDArray[np.bool_] | None = None,
    ) -> Float32s:
        import torch

        # Rows of the arena in another order than those of the batch.
        count = len(tokens)
        places = list(reversed(range(count)))
        arena = self.model.arena(count)
        for place, state in zip(places, states, strict=True):
            arena[place, : state.size] = torch.from_numpy(state).to(DEVICE)
        rows = np.array(places, np.int32)
        if active is not None:
            rows[~active] = -1
        with as_on_a_gpu():
            got = self.model(
                torch.from_numpy(tokens).to(DEVICE),
                arena,
                torch.from_numpy(rows).to(DEVICE),
                chosen=self.chosen,
            )
        for place, state in zip(places, states, strict=True):
            state[:] = arena[place, : state.size].cpu().numpy()
        return np.asarray(got.cpu().numpy())


@dataclass(frozen=True)
class TritonBackend:
    configuration: Configuration
    precision: str = "fp32"

    largest_width: ClassVar[int] = LARGEST_WIDTH
    slow: ClassVar[bool] = DEVICE == "cpu"

    @property
    def name(self) -> str:
        how = "interpreted" if self.slow else "gpu"
        return f"triton-{self.precision}-{self.configuration.block_rows}-{how}"


class TritonTacnBackend(TritonBackend):
    def load(self, weights: TacnWeights) -> TritonTacn:
        from edgeser.backends.cuda.triton import host
        from tests.kernels.tester import tacn_tensors

        taps, outputs = weights.taps.shape[1], len(weights.head_bias)
        width = len(weights.bias[0])
        shape = TacnShape(width, weights.heads, taps, weights.dilations, outputs)
        model = host.TacnStep(shape, tacn_tensors(weights), self.precision, DEVICE)
        return TritonTacn(model, self.configuration)


class TritonVQFusion:
    def __init__(self, model: host.VQFusion, chosen: Configuration) -> None:
        self.model, self.chosen = model, chosen

    def __call__(self, deep: Float32s, latent: Float32s) -> tuple[Float32s, npt.NDArray[np.int32]]:
        import torch

        inputs = (torch.from_numpy(array).to(DEVICE) for array in (deep, latent))
        with as_on_a_gpu():
            tokens, codes = self.model(*inputs, chosen=self.chosen)
        return tokens.cpu().numpy(), codes.cpu().numpy()


class TritonVQFusionBackend(TritonBackend):
    def load(self, weights: VQFusionWeights) -> TritonVQFusion:
        from edgeser.backends.cuda.triton import host
        from tests.kernels.tester import vq_tensors

        (codes, width), deep = weights.codebook.shape, len(weights.deep_weight)
        positions = len(weights.latent_weight) // width
        shape = VQShape(codes, width, positions, deep, len(weights.bias))
        model = host.VQFusion(shape, vq_tensors(weights), self.precision, DEVICE)
        return TritonVQFusion(model, self.configuration)


class TritonFrontEnd:
    def __init__(self, model: front_end_host.FrontEnd, chosen: Configuration) -> None:
        self.model, self.chosen = model, chosen

    def __call__(self, segments: Float32s, levels: Float32s) -> tuple[Float32s, ...]:
        import torch

        inputs = (torch.from_numpy(array).to(DEVICE) for array in (segments, levels))
        with as_on_a_gpu():
            found = self.model(*inputs, block_rows=self.chosen.block_rows)
        return tuple(np.asarray(part.cpu().numpy()) for part in found)


class TritonFrontEndBackend(TritonBackend):
    def load(self, weights: FrontEndWeights) -> TritonFrontEnd:
        from edgeser.backends.cuda.triton import front_end_host

        model = front_end_host.FrontEnd(front_end_model(weights), self.precision, DEVICE)
        return TritonFrontEnd(model, self.configuration)


def front_end_model(weights: FrontEndWeights) -> FrontEndModel:
    """The logits of a bundle with these weights."""
    w = weights.astype(np.float32)
    bodies = {"wide": w.wide, "narrow": w.narrow, "encoder": w.encoder}
    tensors = {"frontend.head.weight": w.head_weight, "frontend.head.bias": w.head_bias}
    for body, layers in bodies.items():
        for n, layer in enumerate(layers):
            tensors[f"frontend.{body}.{n}.weight"] = layer.weight
            tensors[f"frontend.{body}.{n}.bias"] = layer.bias

    def told(layers: tuple[Layer, ...]) -> tuple[Convolution, ...]:
        return tuple(Convolution(la.stride, la.padding, la.relu) for la in layers)

    network = Network(
        **{body: told(layers) for body, layers in bodies.items()},
        spectrogram=w.spectrogram,
        harmonics=w.harmonics,
        level={name: value for name, value in w.level.items() if name != "unset"},
    )
    s = w.segments
    return FrontEndModel(
        network, tensors, s["segment"], s["hop"], s["sample_rate"], w.level["unset"]
    )


def backends(kernel: str, precision: str = "fp32") -> list[TritonBackend]:
    """One for each configuration of a kernel; none without torch and Triton.

    Interpreted, those of one row and of some: more are the same arithmetic in larger blocks.
    """
    kind = {
        "tacn_step": TritonTacnBackend,
        "vq_fusion": TritonVQFusionBackend,
        "convolution": TritonFrontEndBackend,
    }[kernel]
    chosen = CONFIGURATIONS[kernel] if AVAILABLE else ()
    return [kind(one, precision) for one in (chosen if DEVICE == "cuda" else chosen[:2])]
