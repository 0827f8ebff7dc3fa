"""The engine of a GPU, with the CPU as fallback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda.runtime import Runtime
from edgeser.backends.cuda.stepper import GpuStepper
from edgeser.backends.interface import Chunk, Kind, take_turn
from edgeser.bundle import Bundle
from edgeser.errors import DeviceError
from edgeser.options import Precision

if TYPE_CHECKING:
    from edgeser import _kernels as native

_log = logging.getLogger(__name__)


class CudaEngine:
    """Advances streams on a GPU; implements :class:`edgeser.backends.interface.Executor`.

    Gate and speaker run in the core of the CPU's engine, so a stream can continue on that engine
    at any moment.
    """

    def __init__(self, cpu: Engine, runtime: Runtime, *, fall_back: bool) -> None:
        """Join a CPU's engine to a runtime made for its model.

        Args:
            cpu: in the precision of the kernels.
            runtime: the model's front end and kernels on a device.
            fall_back: whether streams continue on the CPU if the device fails. One line is logged
                then, and the device is not tried again.
        """
        self._cpu = cpu
        self.runtime = runtime
        self.stepper = GpuStepper(runtime, cpu.core.tacn)
        self._fall_back = fall_back
        self._lost = False
        self._giving_up = threading.Lock()

    @property
    def bundle(self) -> Bundle:
        """The model."""
        return self._cpu.bundle

    @property
    def precision(self) -> Precision:
        """Of the kernels."""
        return self._cpu.precision

    @property
    def core(self) -> native.Core:
        """What the streams are of."""
        return self._cpu.core

    @property
    def backend(self) -> str:
        """``cuda``; ``cpu`` after the device has been given up."""
        return "cpu" if self._lost else "cuda"

    @property
    def simd(self) -> str:
        """The instruction set of what the CPU does of it."""
        return self._cpu.simd

    def process(
        self, streams: Sequence[native.Stream], chunks: Sequence[Chunk]
    ) -> list[tuple[list[native._Frame], list[native._Event]]]:
        """As :meth:`edgeser.backends.cpu.engine.Engine.process`.

        Raises:
            DeviceError: the device failed, and streams do not fall back; all are as before.
        """
        heard = self._there(streams, chunks, "process")
        return self._cpu.process(streams, chunks) if heard is None else heard

    def flush(
        self, stream: native.Stream
    ) -> tuple[list[native._Frame], list[native._Event], native._Verdict]:
        """As :meth:`edgeser.backends.cpu.engine.Engine.flush`. Raises DeviceError as above."""
        heard = self._there([stream], None, "flush")
        if heard is None:
            return self._cpu.flush(stream)
        flushed: tuple[list[native._Frame], list[native._Event], native._Verdict] = heard[0]
        return flushed

    def calibrate(self, stream: native.Stream, chunk: Chunk) -> None:
        """As :meth:`edgeser.backends.cpu.engine.Engine.calibrate`. Raises DeviceError as above."""
        if self._there([stream], [chunk], "calibrate") is None:
            self._cpu.calibrate(stream, chunk)

    def settle(self, stream: native.Stream) -> None:
        """Bring a stream's own rings up to date; if the device fails, from its journal.

        Raises:
            StreamBusyError: another thread is inside the stream.
        """
        _ = stream.speaker  # which says so
        if self._lost:
            self.stepper.leave(stream)
        else:
            self.stepper.settle(stream)

    def _there(
        self, streams: Sequence[native.Stream], chunks: Sequence[Chunk] | None, kind: Kind
    ) -> list[Any] | None:
        """Runs a call on the device; None if the CPU must repeat it from the previous state."""
        if not self._lost:
            try:
                return take_turn(self.core, streams, chunks, kind, self.stepper)
            except DeviceError as error:
                if not self._fall_back:
                    raise
                self._give_up(error)
        for stream in streams:
            self.stepper.leave(stream)
        return None

    def _give_up(self, error: DeviceError) -> None:
        with self._giving_up:  # threads may find out at the same time; one says so
            if not self._lost:
                _log.warning("streams go on on the CPU: %s", error)
            self._lost = True
