"""The front end's kernels on torch tensors, compiled when first called: see ``host.py``."""

from __future__ import annotations

import torch
from torch import Tensor

from edgeser.backends.cuda.front_end_shape import FrontEndModel, Launch, front_end_shape, launches
from edgeser.backends.cuda.front_end_weights import pack_front_end
from edgeser.backends.cuda.index import fastest
from edgeser.backends.cuda.triton.convolution import convolution
from edgeser.backends.cuda.triton.host import DTYPES
from edgeser.backends.cuda.triton.launch import (
    CONFIGURATIONS,
    Configuration,
    front_end_constants,
    stages,
)
from edgeser.backends.cuda.triton.running_level import running_level
from edgeser.backends.cuda.triton.spectrum import spectrum

_KERNELS = {"spectrum": spectrum, "running_level": running_level, "convolution": convolution}


class FrontEnd:
    """The front end of one model. Immutable."""

    def __init__(
        self, model: FrontEndModel, precision: str = "fp32", device: str | torch.device = "cuda"
    ) -> None:
        self.shape, self.device = front_end_shape(model), torch.device(device)
        self._launches = launches(self.shape)
        packed = pack_front_end(model, self.shape, precision)
        data = torch.from_numpy(packed.data.copy()).to(self.device)
        ends = [*list(packed.offsets.values())[1:], len(data)]
        dtypes = {"matrices": DTYPES[precision], "taps": torch.int32}
        self._weights = {
            name: data[begin:end].view(dtypes.get(name.rpartition(".")[2], torch.float32))
            for (name, begin), end in zip(packed.offsets.items(), ends, strict=True)
        }

    def __call__(
        self, segments: Tensor, levels: Tensor, block_rows: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Segments (B, segment) and levels (B,), float32, to deep (B, F), latent (B, P, D), levels.

        ``block_rows`` are those of each program; None for what a launcher without torch chooses.
        """
        count, last = len(segments), self.shape.encoder[-1].target
        arrays = {
            name: torch.empty(count * values, device=self.device)
            for name, values in self.shape.scratch.items()
        }
        deep = torch.empty((count, self.shape.head.target.values), device=self.device)
        positions = (count, last.height * last.width, last.channels)
        latent = torch.empty(positions, device=self.device)
        level_out = torch.empty(count, device=self.device)
        arrays |= {"segment": segments, "level": levels, "level_out": level_out}
        arrays |= {"deep": deep, "latent": latent, **self._weights}
        for launch in self._launches if count else ():
            self._launch(launch, count, arrays, block_rows)
        return deep, latent, level_out

    def _launch(
        self, launch: Launch, count: int, arrays: dict[str, Tensor], block_rows: int | None
    ) -> None:
        chosen = self._configuration(launch, count, block_rows)
        given: dict[str, Tensor | int] = {
            name: arrays[of].view(-1)[at:] for name, (of, at) in launch.arrays.items()
        }
        if launch.kernel != "running_level":
            given["count"] = launch.rows * count
        _KERNELS[launch.kernel][(launch.programs(count, chosen.block_rows),)](
            **given,
            **launch.numbers,
            **front_end_constants(launch.kernel, chosen.block_rows),
            num_warps=chosen.warps,
            num_stages=stages(launch.kernel),
        )

    def _configuration(self, launch: Launch, count: int, block_rows: int | None) -> Configuration:
        some = CONFIGURATIONS[launch.kernel]
        if block_rows is not None:
            return next((one for one in some if one.block_rows == block_rows), some[-1])
        if self.device.type != "cuda":
            return some[0]
        processors = torch.cuda.get_device_properties(self.device).multi_processor_count
        return fastest(some, launch.rows * count, max(1, processors // launch.column_blocks))
