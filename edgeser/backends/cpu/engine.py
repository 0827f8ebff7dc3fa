"""The engine of the CPU: advances streams with the kernels of the compiled core.

It is immutable and shared by all streams of a model, on all threads; all state is in the streams.
Engines of other devices use :class:`edgeser._kernels.Turn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

from edgeser.backends.cpu.front_end import FrontEnd, KernelFrontEnd, OnnxFrontEnd
from edgeser.bundle import Bundle
from edgeser.native import kernels
from edgeser.options import Precision

if TYPE_CHECKING:
    from edgeser import _kernels as core

Chunk = npt.NDArray[Any]
Kind = Literal["process", "flush", "calibrate"]


class Engine:
    """The model's arithmetic on a CPU."""

    largest_batch = 64
    """Segments that go through a front end outside the core together: bounds its memory."""

    def __init__(
        self, bundle: Bundle, precision: Precision = "float32", *, projections: bool = False
    ) -> None:
        """Pack the weights in ``precision``.

        Args:
            bundle: the model.
            precision: of its weights.
            projections: whether streams store Q, K and V, as the GPU kernels do, instead of the
                layers' inputs.

        Raises:
            BundleError, KernelError: the bundle cannot be run.
        """
        manifest = bundle.manifest
        self.bundle = bundle
        self.precision = precision
        self.core: core.Core = kernels().Core(
            bundle.contents, precision=precision, projections=projections
        )
        self._pool: core.Pool | None = None
        self._front_end: FrontEnd
        if (kernel := self.core.front_end) is not None:
            self._front_end = KernelFrontEnd(kernel)
            self._pool = kernels().Pool(self.core)
        else:
            self._front_end = OnnxFrontEnd(bundle.frontend, manifest.sizes, manifest.level_initial)

    @property
    def front_end(self) -> FrontEnd:
        """The front end. It can be replaced, for example to record its inputs."""
        return self._front_end

    @front_end.setter
    def front_end(self, other: FrontEnd) -> None:
        self._front_end = other
        self._pool = None  # it would go on with the first

    @property
    def backend(self) -> str:
        """What executes the model: ``cpu``."""
        return "cpu"

    @property
    def simd(self) -> str:
        """The instruction set that the kernels use here."""
        return self.core.simd

    def process(
        self, streams: Sequence[core.Stream], chunks: Sequence[Chunk]
    ) -> list[tuple[list[core._Frame], list[core._Event]]]:
        """Processes a chunk of each stream; returns the frames and events of each. All or nothing.

        Raises:
            AudioError: a chunk cannot be used.
            StreamBusyError: another thread is inside one of the streams.
            BackendError, KernelError: the model failed; all streams are as before.
        """
        if self._pool is None:
            return self._turn(streams, chunks, "process")
        if len(streams) == 1:
            return [streams[0].process(chunks[0])]
        return self._pool.process(streams, chunks)

    def flush(
        self, stream: core.Stream
    ) -> tuple[list[core._Frame], list[core._Event], core._Verdict]:
        """Ends a stream's audio: last frames and events, and the verdict. Errors: as process."""
        if self._pool is not None:
            return stream.flush()
        heard: tuple[list[core._Frame], list[core._Event], core._Verdict]
        (heard,) = self._turn([stream], None, "flush")
        return heard

    def calibrate(self, stream: core.Stream, chunk: Chunk) -> None:
        """Learns a stream's speaker from neutral speech. Errors: as process, and StateError."""
        if self._pool is not None:
            stream.calibrate(chunk)
        else:
            self._turn([stream], [chunk], "calibrate")

    def settle(self, stream: core.Stream) -> None:
        """Does nothing: the rings are in the stream's own state."""

    def _turn(
        self, streams: Sequence[core.Stream], chunks: Sequence[Chunk] | None, kind: Kind
    ) -> list[Any]:
        with kernels().Turn(self.core, streams, chunks, kind=kind) as turn:
            while True:
                rows, segments, levels = turn.segments(self.largest_batch)
                if not rows:
                    finished: list[Any] = turn.finish()
                    return finished
                opened, _, _ = turn.features(*self._front_end(segments, levels))
                if opened:
                    turn.step()
