"""The interface between this package and a GPU.

``driver.py`` implements it for real GPUs. All logic that needs no driver (memory layout, launches
and their arguments, handling of failures) uses this interface, and is tested with a fake device
that computes in host memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Argument = int | np.int32
"""Of a launch: an ``int`` is an address, an ``np.int32`` a value."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a device; freed with the last reference to this object."""

    address: int
    size: int
    """Bytes."""
    owner: object
    """The object that owns the memory."""


@dataclass(frozen=True, slots=True)
class PinnedMemory:
    """Page-locked host memory, which the device copies from and to by itself (DMA)."""

    array: Bytes
    """(size,), aligned to 256 bytes or better."""
    address: int
    """For the device."""
    owner: object


class Graph(Protocol):
    """Recorded work that is launched as one. It keeps references to the memory that it uses."""

    def launch(self) -> None:
        """Enqueue all of it. Raises DeviceError."""


class Kernel(Protocol):
    """Loaded machine code of a kernel. It can be launched only by the device that loaded it."""


class Device(Protocol):
    """A GPU and one stream of work on it: everything happens in the order in which it is asked for.

    For one thread at a time. Whatever fails raises DeviceError and nothing else.
    """

    @property
    def name(self) -> str:
        """The device's name."""

    @property
    def capability(self) -> tuple[int, int]:
        """Compute capability: (8, 7) is a Jetson Orin."""

    @property
    def multiprocessors(self) -> int:
        """Number of multiprocessors."""

    @property
    def shares_memory(self) -> bool:
        """Whether host and device share memory, as on a Jetson, so that no copies are needed."""

    @property
    def stream(self) -> int:
        """CUDA's handle of the stream, for other libraries that enqueue work."""

    def activate(self) -> None:
        """Makes the device current on the calling thread; required before any other call there."""

    def allocate(self, size: int) -> Memory:
        """``size`` bytes of the device's memory, zero."""

    def pin(self, size: int) -> PinnedMemory:
        """``size`` bytes of pinned host memory, zero."""

    def copy_in(self, target: int, source: Bytes) -> None:
        """Enqueue a copy of host bytes (n,), contiguous, to an address of the device.

        The device keeps ``source`` until it has synchronized, a graph as long as there is one.
        """

    def copy_out(self, target: Bytes, source: int) -> None:
        """Enqueue a copy from an address of the device to host bytes (n,), contiguous.

        The device keeps ``target`` until it has synchronized, a graph as long as there is one.
        """

    def copy_within(self, target: int, source: int, size: int) -> None:
        """Enqueue a copy from one address of the device to another; they do not overlap."""

    def load(self, code: bytes, symbol: str, shared_bytes: int) -> Kernel:
        """Load machine code (an ELF file) or PTX, for launches with ``shared_bytes``."""

    def launch(
        self,
        kernel: Kernel,
        programs: int,
        threads: int,
        shared_bytes: int,
        arguments: Sequence[Argument],
    ) -> None:
        """Enqueue ``programs`` programs (grid x) of ``threads`` threads each."""

    def capture(self, work: Callable[[], None], owners: tuple[object, ...]) -> Graph:
        """Record what ``work`` enqueues, without doing it.

        A graph refers to memory and code only by address. ``owners`` are the objects that own them:
        the graph keeps references to these.
        """

    def synchronize(self) -> None:
        """Waits until all enqueued work is done."""
