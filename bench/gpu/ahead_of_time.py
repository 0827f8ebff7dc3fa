"""Our kernels, compiled ahead of time and launched by ``cuda.core``, without Triton."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.gpu.clock import Work
from bench.gpu.harness import Harness
from bench.worker import AbsentError
from edgeser.backends.cuda.device import Device
from edgeser.backends.cuda.driver import CudaDevice
from edgeser.backends.cuda.index import read_index
from edgeser.backends.cuda.launcher import Kernels
from edgeser.backends.cuda.own_front_end import OwnFrontEnd


class AheadOfTime:
    """The compiled kernels of a model. PyTorch's tensors are in the same CUDA context."""

    def __init__(self, harness: Harness, open_device: Callable[[], Device] = CudaDevice) -> None:
        """Raises AbsentError without kernels; DeviceError and BackendError otherwise."""
        if harness.kernels is None:
            raise AbsentError("no kernels were compiled ahead of time")
        self._harness = harness
        self._device = open_device()
        self._index = read_index(harness.kernels)
        self._kernels = Kernels(self._device, self._index, harness.bundle)

    def tacn_step(self, tokens: Tensor, arena: Tensor, rows: Tensor, logits: Tensor) -> Work:
        """The same as :class:`edgeser.backends.cuda.triton.host.TacnStep`, as one CUDA graph."""
        places = {"tokens": tokens, "states": arena, "rows": rows, "logits": logits}
        return self._recorded("tacn_step", len(tokens), places)

    def vq_fusion(self, deep: Tensor, latent: Tensor, tokens: Tensor, codes: Tensor) -> Work:
        """The same as :class:`edgeser.backends.cuda.triton.host.VQFusion`, as one CUDA graph."""
        places = {"deep": deep, "latent": latent, "tokens": tokens, "codes": codes}
        return self._recorded("vq_fusion", len(deep), places)

    def front_end(
        self, segment: Tensor, level: Tensor, deep: Tensor, latent: Tensor, level_out: Tensor
    ) -> Work:
        """As :class:`edgeser.backends.cuda.triton.front_end_host.FrontEnd`, as one CUDA graph."""
        places = {"segment": segment, "level": level, "deep": deep, "latent": latent}
        places["level_out"] = level_out
        own = OwnFrontEnd(self._device, self._index, self._harness.bundle)
        enqueue = own.prepare(len(segment), {name: t.data_ptr() for name, t in places.items()})
        return self._graph(lambda: enqueue(self._device.stream), (enqueue, places))

    def _recorded(self, name: str, rows: int, places: dict[str, Tensor]) -> Work:
        addresses = {argument: tensor.data_ptr() for argument, tensor in places.items()}
        kernels = self._kernels

        def work() -> None:
            kernels.launch(name, rows, addresses)

        return self._graph(work, (kernels, places))

    def _graph(self, work: Callable[[], None], owners: tuple[object, ...]) -> Work:
        device, on_gpu = self._harness.device, self._harness.device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize(device)  # the tensors are filled on another stream
        work()
        self._device.synchronize()
        graph = self._device.capture(work, owners)
        stream = torch.cuda.ExternalStream(self._device.stream) if on_gpu else None
        return Work(graph.launch, device, stream)
