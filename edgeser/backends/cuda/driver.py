"""A real GPU, through ``cuda.core`` and ``cuda.bindings``: see ``device.py`` for the methods.

These packages raise many kinds of errors, without a driver even SystemError. :func:`_named` around
every call converts all of them.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from edgeser.backends.cuda.device import Argument, Bytes, Graph, Kernel, Memory, PinnedMemory
from edgeser.errors import DeviceError, EdgeserError

_ELF = b"\x7fELF"
_PLAIN_SHARED_BYTES = 48 << 10
"""Dynamic shared memory that a kernel gets without asking."""


@dataclass(frozen=True, slots=True)
class _LoadedKernel:
    kernel: Any
    code: Any
    """The module; it must outlive the kernel."""


@dataclass(frozen=True, slots=True)
class _RecordedGraph:
    graph: Any
    stream: Any
    owners: tuple[object, ...]
    """Of what the graph reads, writes and runs."""

    def launch(self) -> None:
        with _named("a CUDA graph cannot be launched"):
            self.graph.launch(self.stream)


class CudaDevice:
    """A GPU of this machine and a stream on it: a :class:`~edgeser.backends.cuda.device.Device`."""

    def __init__(self, number: int = 0) -> None:
        """Open GPU ``number``.

        Raises:
            DeviceError: there is none, its driver is missing or too old, or the extra ``cuda`` is
                not installed.
        """
        self._core, self._driver = _packages()
        self._number = number
        with _named("no NVIDIA GPU can be used here", "install its driver, or take the CPU"):
            device = self._core.Device(number)
            device.set_current()
            self._device = device
            self._stream = device.create_stream()
            self._pinned = self._core.LegacyPinnedMemoryResource()
            capability, properties = device.compute_capability, device.properties
            self.name = str(device.name)
            self.capability = (int(capability[0]), int(capability[1]))
            self.multiprocessors = int(properties.multiprocessor_count)
            self.shares_memory = bool(properties.integrated)
            self.stream = int(self._stream.handle)
        self._copied: list[Bytes] = []
        """Host memory that copies under way, or those now being recorded, name by address."""

    def activate(self) -> None:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        with _named("the GPU cannot be used"):
            self._device.set_current()

    def allocate(self, size: int) -> Memory:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        with _named(f"{size} bytes of the GPU's memory cannot be had"):
            buffer = self._device.allocate(size, stream=self._stream)
            buffer.fill(0, stream=self._stream)
            self._stream.sync()
            return Memory(int(buffer.handle), size, buffer)

    def pin(self, size: int) -> PinnedMemory:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        with _named(f"{size} bytes of pinned memory cannot be had"):
            buffer = self._pinned.allocate(size)
            address = int(buffer.handle)
            array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
            array[:] = 0
            return PinnedMemory(array, address, buffer)

    def copy_in(self, target: int, source: Bytes) -> None:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        self._copied.append(source)
        self._copy(target, source.ctypes.data, source.size)

    def copy_out(self, target: Bytes, source: int) -> None:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        self._copied.append(target)
        self._copy(target.ctypes.data, source, target.size)

    def copy_within(self, target: int, source: int, size: int) -> None:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        self._copy(target, source, size)

    def load(self, code: bytes, symbol: str, shared_bytes: int) -> Kernel:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        with _named(f"the driver does not take the kernel {symbol}"):
            objects = self._core.ObjectCode
            loaded = objects.from_cubin(code) if code[:4] == _ELF else objects.from_ptx(code)
            kernel = loaded.get_kernel(symbol)
            if shared_bytes > _PLAIN_SHARED_BYTES:
                driver = self._driver
                most = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
                self._check(
                    driver.cuKernelSetAttribute(most, shared_bytes, kernel.handle, self._number)
                )
            return _LoadedKernel(kernel, loaded)

    def launch(
        self,
        kernel: Kernel,
        programs: int,
        threads: int,
        shared_bytes: int,
        arguments: Sequence[Argument],
    ) -> None:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        with _named("a kernel cannot be launched"):
            loaded = cast("_LoadedKernel", kernel).kernel
            config = self._core.LaunchConfig(grid=programs, block=threads, shmem_size=shared_bytes)
            self._core.launch(self._stream, config, loaded, *arguments)

    def capture(self, work: Callable[[], None], owners: tuple[object, ...]) -> Graph:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        with _named("a CUDA graph cannot be recorded"):
            under_way, self._copied = self._copied, []
            builder = self._stream.create_graph_builder()
            try:
                builder.begin_building()
                try:
                    work()
                finally:
                    builder.end_building()
                owners = (*owners, *self._copied)
                return _RecordedGraph(builder.complete(), self._stream, owners)
            finally:
                self._copied = under_way
                builder.close()

    def synchronize(self) -> None:
        """See :class:`~edgeser.backends.cuda.device.Device`."""
        # After most errors, CUDA refuses everything else that this process asks of that GPU.
        try:
            with _named("the GPU failed", "restart the process, or continue on the CPU"):
                self._stream.sync()
        finally:
            self._copied.clear()  # and a GPU that failed copies nothing more

    def _copy(self, target: int, source: int, size: int) -> None:
        with _named(f"{size} bytes cannot be copied"):
            self._check(self._driver.cuMemcpyAsync(target, source, size, self._stream.handle))

    def _check(self, returned: tuple[Any, ...]) -> None:
        (outcome,) = returned
        if outcome != self._driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(outcome.name)


def driver_version() -> str | None:
    """The newest CUDA that the installed driver knows, as ``13.0``; None if there is no driver."""
    try:
        _, driver = _packages()
        with _named("no driver"):
            outcome, number = driver.cuDriverGetVersion()
    except DeviceError:
        return None
    if outcome != driver.CUresult.CUDA_SUCCESS:
        return None
    return f"{number // 1000}.{number % 1000 // 10}"


def _packages() -> tuple[Any, Any]:
    """``cuda.core`` and the driver's interface."""
    try:
        return importlib.import_module("cuda.core"), importlib.import_module("cuda.bindings.driver")
    except ImportError as error:
        raise DeviceError(f"no CUDA here ({error}): pip install 'edgeser[cuda]'") from error


@contextmanager
def _named(what: str, remedy: str = "") -> Iterator[None]:
    """Converts any exception into a DeviceError with the reason and advice."""
    try:
        yield
    except EdgeserError:
        raise
    except Exception as error:
        # A SystemError of a compiled module hides the exception that it was about.
        reason = error.__cause__ or error.__context__ or error
        then = f": {remedy}" if remedy else ""
        raise DeviceError(f"{what} ({_plain(reason)}){then}") from error


def _plain(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
