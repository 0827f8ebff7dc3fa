"""Launches the lookup and the step on a GPU without Triton: loads code and weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeser.backends.cuda.device import Argument, Device, Kernel, Memory
from edgeser.backends.cuda.index import KERNELS, Index, Variant, fastest
from edgeser.backends.cuda.shapes import kernel_sizes, tacn_shape, vq_shape
from edgeser.backends.cuda.weights import PackedWeights, pack_tacn, pack_vq
from edgeser.bundle import Bundle

WARP = 32
"""Threads."""


class Kernels:
    """``vq_fusion`` and ``tacn_step`` of one model on one device, in one precision.

    For one thread at a time.
    """

    def __init__(
        self, device: Device, index: Index, bundle: Bundle, precision: str = "fp32"
    ) -> None:
        """Copy the weights to the device; code follows when it is first launched.

        Raises:
            BackendError: the index has no kernels for this model, device or precision.
            DeviceError: the device refuses.
        """
        index.check_sizes(kernel_sizes(bundle.manifest))
        self._device = device
        self._index = index
        self._variants = {
            name: index.kernels[name].variants_for(precision, device.capability) for name in KERNELS
        }
        self._loaded: dict[str, Kernel] = {}
        self._memory: list[Memory] = []
        self._weights = {
            "vq_fusion": self._upload(
                pack_vq(vq_shape(bundle.manifest), bundle.tensors, precision)
            ),
            "tacn_step": self._upload(
                pack_tacn(tacn_shape(bundle.manifest), bundle.tensors, precision)
            ),
        }
        device.synchronize()

    def load(self, rows: int) -> None:
        """Load what batches of ``rows`` need, so that nothing is left to do when launching.

        Raises:
            BackendError: a file is missing or damaged.
            DeviceError: the driver refuses the code.
        """
        for name in self._variants:
            self._kernel(self._variant(name, rows))

    def launch(self, name: str, rows: int, addresses: Mapping[str, int]) -> None:
        """Enqueue a kernel for a batch.

        Args:
            name: ``vq_fusion`` or ``tacn_step``.
            rows: of the batch.
            addresses: of all arrays but the weights, by their names in the index.

        Raises:
            BackendError, DeviceError: as :meth:`load`.
        """
        variant = self._variant(name, rows)
        places = {**addresses, **self._weights[name]}
        arguments: list[Argument] = []
        for argument in self._index.kernels[name].arguments:
            if argument.type == "null":
                arguments.append(0)
            elif argument.type == "i32":
                arguments.append(np.int32(rows))
            else:
                arguments.append(places[argument.name])
        self._device.launch(
            self._kernel(variant),
            variant.programs(rows),
            WARP * variant.warps,
            variant.shared_bytes,
            arguments,
        )

    def _variant(self, name: str, rows: int) -> Variant:
        return fastest(self._variants[name], rows, self._device.multiprocessors)

    def _kernel(self, variant: Variant) -> Kernel:
        kernel = self._loaded.get(variant.file)
        if kernel is None:
            code = self._index.read(variant)
            kernel = self._device.load(code, variant.symbol, variant.shared_bytes)
            self._loaded[variant.file] = kernel
        return kernel

    def _upload(self, packed: PackedWeights) -> dict[str, int]:
        memory = self._device.allocate(packed.data.size)
        self._device.copy_in(memory.address, packed.data)
        self._memory.append(memory)
        return {name: memory.address + offset for name, offset in packed.offsets.items()}
