"""The front end in our own kernels: needs only a driver and the output of ``edgeser compile``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgeser.backends.cpu.front_end import FrontEnd
from edgeser.backends.cuda.device import Argument, Device, Kernel
from edgeser.backends.cuda.front_end_shape import (
    BLOCK_COLUMNS,
    BLOCK_DEPTH,
    FrontEndModel,
    Launch,
    front_end_model,
    front_end_shape,
)
from edgeser.backends.cuda.front_end_shape import launches as launches_of
from edgeser.backends.cuda.front_end_weights import pack_front_end
from edgeser.backends.cuda.index import FRONT_END, INDEX, Index, Variant, fastest
from edgeser.backends.cuda.launcher import WARP
from edgeser.backends.cuda.staging import make_scratch
from edgeser.bundle import Bundle
from edgeser.errors import BackendError

Variants = Mapping[str, tuple[Variant, ...]]

_TOLERANCE = 0.05
"""Of the largest feature. Rounding stays far below: bfloat16 on the CPU differs by 0.01."""
_DECIBELS = 0.1


def find_kernels(
    bundle: Bundle, index: Index, precision: str, capability: tuple[int, int]
) -> tuple[FrontEndModel, Variants]:
    """The front end of a bundle, and the compiled kernels that compute it on a device.

    Raises:
        BackendError: there are none for this model, device or precision.
    """
    model = front_end_model(bundle)
    if model is None:
        raise BackendError("the model has its front end only as an ONNX graph")
    if not set(FRONT_END) <= index.kernels.keys():
        raise BackendError(
            "the compiled kernels do not include the front end: run `edgeser compile` again"
        )
    blocks = {"BLOCK_COLUMNS": BLOCK_COLUMNS, "BLOCK_DEPTH": BLOCK_DEPTH}
    for name in ("spectrum", "convolution"):
        if not blocks.items() <= index.kernels[name].constants.items():
            raise BackendError(
                f"{index.folder / INDEX}: {name} was compiled for another layout of the weights: "
                "run `edgeser compile` again"
            )
    return model, {
        name: index.kernels[name].variants_for(precision, capability) for name in FRONT_END
    }


class OwnFrontEnd:
    """The front end of one model on one device, in one precision. For one thread at a time."""

    def __init__(
        self, device: Device, index: Index, bundle: Bundle, precision: str = "fp32"
    ) -> None:
        """Load the code and copy the weights to the device.

        Raises:
            BackendError: the index has no kernels for this model, device or precision, or a file
                of it is missing or damaged.
            DeviceError: the device refuses.
        """
        model, self._variants = find_kernels(bundle, index, precision, device.capability)
        self._device = device
        self._arguments = {name: index.kernels[name].arguments for name in FRONT_END}
        self._loaded: dict[str, Kernel] = {
            v.file: device.load(index.read(v), v.symbol, v.shared_bytes)
            for variants in self._variants.values()
            for v in variants
        }
        self._shape = front_end_shape(model)
        self._launches = launches_of(self._shape)
        packed = pack_front_end(model, self._shape, precision)
        self._memory = device.allocate(packed.data.size)
        device.copy_in(self._memory.address, packed.data)
        device.synchronize()
        self._weights = {
            name: self._memory.address + offset for name, offset in packed.offsets.items()
        }

    def prepare(self, batch: int, addresses: Mapping[str, int]) -> Callable[[int], None]:
        """What enqueues the front end for a batch; it keeps all memory but that of ``addresses``.

        Args:
            batch: B.
            addresses: of segment (B, segment), level (B,), deep (B, F), latent (B, P, D) and
                level_out (B,), float32.

        Raises:
            DeviceError: no memory for the arrays between the kernels.
        """
        sizes = {name: ((batch * n,), np.float32) for name, n in self._shape.scratch.items()}
        scratch, owner = make_scratch(self._device, sizes)
        places = {**addresses, **scratch, **self._weights}
        work = [self._laid(launch, batch, places) for launch in self._launches]

        def enqueue(_stream: int, _owners: tuple[object, ...] = (self, owner)) -> None:
            for one in work:
                self._device.launch(*one)

        return enqueue

    def _laid(
        self, launch: Launch, batch: int, places: Mapping[str, int]
    ) -> tuple[Kernel, int, int, int, list[Argument]]:
        """Kernel, programs, threads, shared bytes and arguments."""
        # A block of columns each: as many programs that share their rows.
        processors = max(1, self._device.multiprocessors // launch.column_blocks)
        variant = fastest(self._variants[launch.kernel], launch.rows * batch, processors)
        arguments: list[Argument] = []
        for argument in self._arguments[launch.kernel]:
            if argument.type == "null":
                arguments.append(0)
            elif argument.name == "count":
                arguments.append(np.int32(launch.rows * batch))
            elif argument.name not in {**launch.numbers, **launch.arrays}:
                raise BackendError(
                    f"the kernel {launch.kernel} takes {argument.name!r}, which this version of "
                    "edgeser does not know: run `edgeser compile` again"
                )
            elif argument.type == "i32":
                arguments.append(np.int32(launch.numbers[argument.name]))
            else:
                name, first = launch.arrays[argument.name]
                arguments.append(places[name] + 4 * first)
        return (
            self._loaded[variant.file],
            launch.programs(batch, variant.block_rows),
            WARP * variant.warps,
            variant.shared_bytes,
            arguments,
        )


def check_against(own: OwnFrontEnd, device: Device, on_cpu: FrontEnd, bundle: Bundle) -> None:
    """Compares both on the same noise, as a stream's first segment and as a later one.

    Raises:
        DeviceError: the device fails.
        BackendError: it computes something else.
    """
    sizes, unset = bundle.manifest.sizes, bundle.manifest.level_initial
    noise = np.random.default_rng(0).standard_normal((2, 1, sizes.segment))
    arrays = {
        "segment": np.zeros((1, sizes.segment), np.float32),
        "level": np.zeros(1, np.float32),
        "deep": np.zeros((1, sizes.deep), np.float32),
        "latent": np.zeros((1, sizes.positions, sizes.code_width), np.float32),
        "level_out": np.zeros(1, np.float32),
    }
    shapes = {name: (array.shape, np.float32) for name, array in arrays.items()}
    addresses, _owner = make_scratch(device, shapes)
    enqueue = own.prepare(1, addresses)
    arrays["level"][:] = unset
    for segment in (0.05 * noise).astype(np.float32):
        arrays["segment"][:] = segment
        for name in ("segment", "level"):
            device.copy_in(addresses[name], arrays[name].view(np.uint8).reshape(-1))
        enqueue(device.stream)
        for name in ("deep", "latent", "level_out"):
            device.copy_out(arrays[name].view(np.uint8).reshape(-1), addresses[name])
        device.synchronize()
        wanted = on_cpu(arrays["segment"], arrays["level"])
        away = [
            float(np.abs(arrays[name] - one).max()) / max(1e-6, float(np.abs(one).max()))
            for name, one in (("deep", wanted.deep), ("latent", wanted.latent))
        ]
        decibels = float(np.abs(arrays["level_out"] - wanted.level).max())
        if not (max(away) <= _TOLERANCE and decibels <= _DECIBELS):  # and NaN is neither
            raise BackendError(
                f"the front end's kernels differ by {max(away):.2f} from the CPU on the "
                f"{device.name}: update its driver, or compile the kernels again"
            )
        arrays["level"][:] = arrays["level_out"]
