"""The kernels on torch tensors, compiled when first called: for training, tests and measurements.

A model that runs without torch takes the same kernels compiled ahead of time: ``launcher.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgeser.backends.cuda.index import fastest
from edgeser.backends.cuda.shapes import TacnShape, VQShape
from edgeser.backends.cuda.triton.launch import (
    CONFIGURATIONS,
    STAGES,
    Configuration,
    tacn_constants,
    vq_constants,
)
from edgeser.backends.cuda.triton.tacn_step import tacn_step
from edgeser.backends.cuda.triton.vq_fusion import vq_fusion
from edgeser.backends.cuda.weights import PackedWeights, pack_tacn, pack_vq

Tensors = Mapping[str, npt.NDArray[np.float32]]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def _sections(packed: PackedWeights, device: torch.device, precision: str) -> dict[str, Tensor]:
    """The sections of packed weights on a device, typed."""
    data = torch.from_numpy(packed.data.copy()).to(device)
    dtypes = {"matrices": DTYPES[precision], "vectors": torch.float32, "layers": torch.int32}
    ends = [*list(packed.offsets.values())[1:], len(data)]
    return {
        name: data[begin:end].view(dtypes[name])
        for (name, begin), end in zip(packed.offsets.items(), ends, strict=True)
    }


def configuration(kernel: str, rows: int, device: torch.device) -> Configuration:
    """The configuration for a batch, chosen as a launcher without torch chooses."""
    if device.type != "cuda":
        return CONFIGURATIONS[kernel][0]
    processors = torch.cuda.get_device_properties(device).multi_processor_count
    return fastest(CONFIGURATIONS[kernel], rows, processors)


class TacnStep:
    """The TACN step of one model. Immutable; arenas of states belong to the caller."""

    def __init__(
        self,
        shape: TacnShape,
        tensors: Tensors,
        precision: str = "fp32",
        device: str | torch.device = "cuda",
    ) -> None:
        self.shape, self.precision, self.device = shape, precision, torch.device(device)
        self._weights = _sections(pack_tacn(shape, tensors, precision), self.device, precision)

    def arena(self, streams: int) -> Tensor:
        """Fresh states (streams, block_bytes) uint8; each row begins with a stream's block."""
        size = (streams, self.shape.block_bytes)
        return torch.zeros(size, dtype=torch.uint8, device=self.device)

    def __call__(
        self,
        tokens: Tensor,
        arena: Tensor,
        rows: Tensor,
        logits: Tensor | None = None,
        chosen: Configuration | None = None,
    ) -> Tensor:
        """Step: tokens (B, C) float32 and rows (B,) int32 to logits (B, L); arena in place.

        A negative row sits out: its logits are NaN. No two rows may name the same block.
        """
        count = len(tokens)
        if logits is None:
            logits = torch.empty((count, self.shape.outputs), device=self.device)
        if not count:
            return logits
        chosen = chosen or configuration("tacn_step", count, self.device)
        w = self._weights
        tacn_step[(-(-count // chosen.block_rows),)](
            tokens,
            arena.view(torch.float32),
            rows,
            w["matrices"],
            w["vectors"],
            w["layers"],
            logits,
            count,
            **tacn_constants(self.shape, chosen.block_rows),
            num_warps=chosen.warps,
            num_stages=STAGES,
        )
        return logits


class VQFusion:
    """The fused VQ lookup of one model. Immutable."""

    def __init__(
        self,
        shape: VQShape,
        tensors: Tensors,
        precision: str = "fp32",
        device: str | torch.device = "cuda",
    ) -> None:
        self.shape, self.precision, self.device = shape, precision, torch.device(device)
        self._weights = _sections(pack_vq(shape, tensors, precision), self.device, precision)

    def __call__(
        self, deep: Tensor, latent: Tensor, chosen: Configuration | None = None
    ) -> tuple[Tensor, Tensor]:
        """Deep (B, F) and latent (B, P, D), float32, to tokens (B, C) and codes (B, P) int32."""
        count = len(deep)
        tokens = torch.empty((count, self.shape.token_width), device=self.device)
        size = (count, self.shape.positions)
        codes = torch.empty(size, dtype=torch.int32, device=self.device)
        if not count:
            return tokens, codes
        chosen = chosen or configuration("vq_fusion", count, self.device)
        vq_fusion[(-(-count // chosen.block_rows),)](
            deep,
            latent,
            self._weights["matrices"],
            self._weights["vectors"],
            tokens,
            codes,
            count,
            **vq_constants(self.shape, chosen.block_rows),
            num_warps=chosen.warps,
            num_stages=STAGES,
        )
        return tokens, codes
