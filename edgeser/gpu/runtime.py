"""One step of many streams on a GPU: copy in, front end, VQ fusion, TACN, copy out, as one graph.

A CUDA graph is recorded for each of a few batch sizes when that size is first needed; a batch is
padded up to the next of them, and its empty rows sit out. Streams of different ages share a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeser.bundle import Sizes
from edgeser.gpu.arena import Arena
from edgeser.gpu.device import Bytes, Device, Graph, Memory
from edgeser.gpu.launcher import Kernels
from edgeser.gpu.slab import Shapes, Slab, make_scratch, make_slab

BATCH_SIZES = (1, 4, 16, 64, 256)
"""Streams that one graph steps; larger batches go in several."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OnDevice:
    """A front end that is part of the graph; see :class:`edgeser.tensorrt.session.Session`."""

    title: str
    prepare: Callable[[int, Mapping[str, int]], Callable[[int], None]]
    """Batch size and addresses of its inputs and outputs to what enqueues it on a stream."""


@dataclass(frozen=True, slots=True)
class OnHost:
    """A front end that runs before the graph does."""

    title: str
    run: Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
    """Segments (B, segment) and levels (B,) to deep (B, F), latent (B, P, D), levels (B,)."""


class Stepped(NamedTuple):
    """What a step brings back for B streams, in arrays of its own."""

    logits: Floats
    """(B, L + 1)"""
    levels: Floats
    """(B,), dBFS"""
    tokens: Floats
    """(B, C)"""


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the graph of one batch size reads and writes."""

    inputs: Slab
    outputs: Slab
    addresses: Mapping[str, int]
    """Of all arrays but the arena, by the kernels' and the front end's names."""
    enqueue: Callable[[int], None] | None
    """The front end's part."""
    scratch: object


class Runtime:
    """Front end and kernels of one model on one device. Threads take turns; each waits for its own.

    Every method raises DeviceError if the device fails.
    """

    def __init__(
        self,
        device: Device,
        kernels: Kernels,
        arena: Arena,
        sizes: Sizes,
        outputs: int,
        front_end: OnDevice | OnHost,
    ) -> None:
        """Join the parts, all of one model and one device. Nothing is recorded yet.

        Args:
            device: current on this thread.
            kernels: on ``device``.
            arena: on ``device``.
            sizes: the model's.
            outputs: logits of a stream, L + 1.
            front_end: the model's.
        """
        self.device = device
        self.front_end = front_end
        self._kernels, self._arena = kernels, arena
        self._sizes, self._outputs = sizes, outputs
        self._places: dict[int, _Places] = {}
        self._graphs: dict[int, Graph] = {}
        self._of: Memory | None = None
        """The arena's memory that all graphs step."""
        self._lock = threading.Lock()
        self._waiting = False

    @property
    def recorded(self) -> tuple[int, ...]:
        """The batch sizes for which there is a graph."""
        return tuple(sorted(self._graphs))

    def step(
        self, rows: Sequence[int], segments: Sequence[Floats], levels: Sequence[float]
    ) -> Stepped:
        """Step the streams in some rows of the arena by one segment each.

        Args:
            rows: B of them, 1 to the largest of :data:`BATCH_SIZES`, none twice.
            segments: B times (segment,), in [-1, 1].
            levels: B running levels, dBFS.

        Raises:
            DeviceError: as always; what the rows hold is then unknown.
            BackendError: a front end on the host failed. No row was touched.
        """
        count = len(rows)
        size = next(size for size in BATCH_SIZES if size >= count)
        if isinstance(self.front_end, OnHost):  # threads need not wait for each other's
            waves = np.concatenate(segments).reshape(count, -1)
            deep, latent, new_levels = self.front_end.run(waves, np.array(levels, np.float32))
        with self._turn():
            graph = self._graph(size)
            places = self._places[size]
            arrays = places.inputs.arrays
            arrays["rows"][:count] = rows
            arrays["rows"][count:] = -1
            if isinstance(self.front_end, OnHost):
                arrays["deep"][:count] = deep
                arrays["latent"][:count] = latent
            else:
                for row, segment in enumerate(segments):
                    arrays["segment"][row] = segment
                arrays["level"][:count] = levels
            graph.launch()
            self._finish()
            outputs = places.outputs
            if isinstance(self.front_end, OnDevice):
                new_levels = outputs.floats("level_out", count)
            return Stepped(
                outputs.floats("logits", count), new_levels, outputs.floats("tokens", count)
            )

    def admit(self, block: Bytes) -> int:
        """Lease a row of the arena to a stream, copy its block (state_bytes,) there; the row."""
        with self._turn():
            row = self._arena.lease()
            try:
                self._arena.write(row, block)
                self._finish()
            except BaseException:
                self._arena.release(row)
                raise
            return row

    def read(self, row: int, block: Bytes) -> None:
        """Copy a row to a stream's block (state_bytes,)."""
        with self._turn():
            self._arena.read(row, block)
            self._finish()

    def release(self, row: int) -> None:
        """Take a row back; from any thread, at any time, a garbage collector's too."""
        self._arena.release(row)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One thread alone, and nothing under way: an interrupt may have come before the end.

        What was enqueued then still reads from the places that the next step writes to.
        """
        with self._lock:
            self.device.activate()
            if self._waiting:
                self._finish()
            self._waiting = True
            yield

    def _finish(self) -> None:
        self.device.synchronize()
        self._waiting = False

    def _graph(self, size: int) -> Graph:
        if self._of is not self._arena.memory:
            self._graphs.clear()  # they would keep what the arena has moved away from
            self._of = self._arena.memory
        if size not in self._graphs:
            self._graphs[size] = self._record(size)
        return self._graphs[size]

    def _record(self, size: int) -> Graph:
        if size not in self._places:
            self._kernels.load(size)
            self._places[size] = self._make_places(size)
        places, kernels, arena = self._places[size], self._kernels, self._arena.memory
        addresses = {**places.addresses, "states": arena.address}

        def work() -> None:
            places.inputs.copy_in()
            if places.enqueue is not None:
                places.enqueue(self.device.stream)
            kernels.launch("vq_fusion", size, addresses)
            kernels.launch("tacn_step", size, addresses)
            places.outputs.copy_out()

        # Once for real, with every row sitting out: what is made ready at a first call cannot be
        # made ready while a graph is recorded.
        places.inputs.arrays["rows"][:] = -1
        work()
        self.device.synchronize()
        return self.device.capture(work, (places, kernels, arena))

    def _make_places(self, size: int) -> _Places:
        s, f4 = self._sizes, np.float32
        features: Shapes = {
            "deep": ((size, s.deep), f4),
            "latent": ((size, s.positions, s.code_width), f4),
        }
        sound: Shapes = {"segment": ((size, s.segment), f4), "level": ((size,), f4)}
        rows: Shapes = {"rows": ((size,), np.int32)}
        codes: Shapes = {"codes": ((size, s.positions), np.int32)}
        results: Shapes = {"logits": ((size, self._outputs), f4), "tokens": ((size, s.width), f4)}
        if isinstance(self.front_end, OnDevice):
            inputs = make_slab(self.device, {**rows, **sound})
            outputs = make_slab(self.device, {**results, "level_out": ((size,), f4)})
            scratch, owner = make_scratch(self.device, {**features, **codes})
        else:
            inputs = make_slab(self.device, {**rows, **features})
            outputs = make_slab(self.device, results)
            scratch, owner = make_scratch(self.device, codes)
        addresses = {**inputs.addresses, **outputs.addresses, **scratch}
        enqueue = (
            self.front_end.prepare(size, addresses)
            if isinstance(self.front_end, OnDevice)
            else None
        )
        return _Places(inputs, outputs, addresses, enqueue, owner)
