"""Several arrays in one piece of memory, so that one copy moves them all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.backends.cuda.device import Bytes, Device

_ALIGNMENT = 256

Shapes = Mapping[str, tuple[tuple[int, ...], type[np.float32 | np.int32]]]
"""Name to shape and dtype."""


@dataclass(frozen=True, slots=True)
class Staging:
    """Arrays that lie in pinned memory of the host and at the same places on the device.

    Where both have the same memory, as on a Jetson, they are the same arrays and nothing is copied.
    """

    device: Device
    arrays: Mapping[str, npt.NDArray[Any]]
    """Name to the host's array."""
    addresses: Mapping[str, int]
    """Name to the device's address of it."""
    host: Bytes
    """All of the host's memory, (n,)."""
    address: int
    """Of all of the device's."""
    owners: tuple[object, ...]

    def copy_in(self) -> None:
        """Enqueues the copy of all arrays to the device. Raises DeviceError."""
        if not self.device.shares_memory:
            self.device.copy_in(self.address, self.host)

    def copy_out(self) -> None:
        """Enqueues the copy of all arrays to the host. Raises DeviceError."""
        if not self.device.shares_memory:
            self.device.copy_out(self.host, self.address)

    def floats(self, name: str, count: int) -> npt.NDArray[np.float32]:
        """The first ``count`` rows of a host array, as a copy."""
        return self.arrays[name][:count].astype(np.float32)


def make_staging(device: Device, shapes: Shapes) -> Staging:
    """Allocate arrays of these shapes in both places; all are zero. Raises DeviceError."""
    places, size = _places(shapes)
    pinned = device.pin(size)
    memory = None if device.shares_memory else device.allocate(size)
    address = pinned.address if memory is None else memory.address
    arrays: dict[str, npt.NDArray[Any]] = {
        name: pinned.array[place : place + _bytes(*shapes[name])]
        .view(shapes[name][1])
        .reshape(shapes[name][0])
        for name, place in places.items()
    }
    addresses = {name: address + place for name, place in places.items()}
    return Staging(device, arrays, addresses, pinned.array, address, (pinned, memory))


def make_scratch(device: Device, shapes: Shapes) -> tuple[dict[str, int], object]:
    """Addresses of arrays that only the device sees, and what keeps them. Raises DeviceError."""
    places, size = _places(shapes)
    memory = device.allocate(size)
    return {name: memory.address + place for name, place in places.items()}, memory


def _bytes(shape: tuple[int, ...], dtype: type[np.float32 | np.int32]) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _places(shapes: Shapes) -> tuple[dict[str, int], int]:
    """Where each array begins, and the size of all."""
    places: dict[str, int] = {}
    size = 0
    for name, (shape, dtype) in shapes.items():
        places[name] = size
        size += -(-_bytes(shape, dtype) // _ALIGNMENT) * _ALIGNMENT
    return places, size
