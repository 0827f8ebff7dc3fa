"""The GPU part of a hop, in two CUDA graphs: segments to tokens, and tokens to logits.

Between the two the host runs gate and speaker: see ``csrc/stream``. Each
graph is copy in, kernels, copy out, and is recorded for each of a few batch sizes at first
use; a batch is padded to the next size, and the empty rows are inactive. Streams of
different ages share a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeser.backends.cuda.arena import Arena
from edgeser.backends.cuda.device import Bytes, Device, Graph, Memory
from edgeser.backends.cuda.launcher import Kernels
from edgeser.backends.cuda.staging import Shapes, Staging, make_scratch, make_staging
from edgeser.bundle import Sizes

BATCH_SIZES = (1, 4, 16, 64, 256)
"""Rows of one graph; larger batches go in several."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OnDevice:
    """A front end in the graph; see :class:`edgeser.backends.tensorrt.session.Session`."""

    title: str
    prepare: Callable[[int, Mapping[str, int]], Callable[[int], None]]
    """Batch size and addresses of its inputs and outputs to what enqueues it on a stream."""


@dataclass(frozen=True, slots=True)
class OnHost:
    """A front end that runs before the graph does."""

    title: str
    run: Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
    """Segments (B, segment) and levels (B,) to deep (B, F), latent (B, P, D), levels (B,)."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The graph of one batch size, and where it reads and writes."""

    graph: Graph
    places: _Places

    @property
    def inputs(self) -> Staging:
        return self.places.inputs

    @property
    def outputs(self) -> Staging:
        return self.places.outputs


@dataclass(frozen=True, slots=True)
class _Places:
    """The buffers of one batch size, and the work of its graphs."""

    inputs: Staging
    outputs: Staging
    addresses: Mapping[str, int]
    """Of all arrays but the arena, by the kernels' and the front end's names."""
    enqueue: Callable[[int], None] | None = None
    """The front end's part."""
    scratch: object = None


class Runtime:
    """Front end and kernels of one model on one device. Threads take turns.

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
            outputs: logits of a stream, L.
            front_end: the model's.
        """
        self.device = device
        self.front_end = front_end
        self._kernels, self._arena = kernels, arena
        self._sizes, self._outputs = sizes, outputs
        self._lookups: dict[int, _Recorded] = {}
        self._steps: dict[int, _Recorded] = {}
        # Kept from the first: work under way may name them, even where recording has failed.
        self._look_places: dict[int, _Places] = {}
        self._step_places: dict[int, _Places] = {}
        self._of: Memory | None = None
        """The arena's memory that all steps are of."""
        self._lock = threading.Lock()
        self._waiting = False

    @property
    def recorded(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The batch sizes with a graph: of lookups, and of steps."""
        return tuple(sorted(self._lookups)), tuple(sorted(self._steps))

    def look(self, segments: Floats, levels: Floats) -> tuple[Floats, Floats]:
        """Computes tokens from segments.

        Args:
            segments: (B, segment), in [-1, 1]; B from 1 to the largest of :data:`BATCH_SIZES`.
            levels: (B,), running levels, dBFS.

        Returns:
            Tokens (B, C) and levels (B,).

        Raises:
            DeviceError: as always.
            BackendError: a front end on the host failed.
        """
        count = len(segments)
        if isinstance(self.front_end, OnHost):  # threads need not wait for each other's
            deep, latent, new_levels = self.front_end.run(segments, levels)
            given: dict[str, Floats] = {"deep": deep, "latent": latent}
        else:
            given = {"segment": segments, "level": levels}
        with self._turn():
            lookup = self._lookup(size_for(count))
            for name, array in given.items():
                lookup.inputs.arrays[name][:count] = array
            lookup.graph.launch()
            self._finish()
            if isinstance(self.front_end, OnDevice):
                new_levels = lookup.outputs.floats("level_out", count)
            return lookup.outputs.floats("tokens", count), new_levels

    def step(self, rows: Sequence[int], begins: Sequence[bool], tokens: Floats) -> Floats:
        """Step the streams in some rows of the arena by one token each.

        Args:
            rows: B of them, 1 to the largest of :data:`BATCH_SIZES`, none twice.
            begins: which of them begin a sequence: at position 0, whatever the row held.
            tokens: (B, C), what the TACN hears.

        Returns:
            Logits (B, L).

        Raises:
            DeviceError: as always; what the rows hold is then unknown.
        """
        count = len(rows)
        with self._turn():
            step = self._step(size_for(count))
            arrays = step.inputs.arrays
            arrays["rows"][:count] = rows
            arrays["rows"][count:] = -1
            arrays["tokens"][:count] = tokens
            for row, begin in zip(rows, begins, strict=True):
                if begin:
                    self._arena.begin(row)
            step.graph.launch()
            self._finish()
            return step.outputs.floats("logits", count)

    def lease(self) -> int:
        """A row of the arena for a stream; it holds anything, until it begins or is written."""
        with self._turn():
            row = self._arena.lease()
            self._finish()
            return row

    def write(self, row: int, block: Bytes) -> None:
        """Copy a stream's block (state_bytes,) to a row."""
        with self._turn():
            self._arena.write(row, block)
            self._finish()

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

    def _lookup(self, size: int) -> _Recorded:
        if size not in self._lookups:
            self._kernels.load(size)
            if size not in self._look_places:
                self._look_places[size] = self._places_to_look(size)
            places, kernels = self._look_places[size], self._kernels

            def work() -> None:
                if places.enqueue is not None:
                    places.enqueue(self.device.stream)
                kernels.launch("vq_fusion", size, places.addresses)

            self._lookups[size] = self._record(places, work, (kernels,))
        return self._lookups[size]

    def _step(self, size: int) -> _Recorded:
        if self._of is not self._arena.memory:
            self._steps.clear()  # they would keep what the arena has moved away from
            self._of = self._arena.memory
        if size not in self._steps:
            self._kernels.load(size)
            if size not in self._step_places:
                self._step_places[size] = self._places_to_step(size)
            places, kernels = self._step_places[size], self._kernels
            addresses = {**places.addresses, "states": self._arena.memory.address}
            # Recording does it once for real: every row sits out.
            places.inputs.arrays["rows"][:] = -1

            def work() -> None:
                kernels.launch("tacn_step", size, addresses)

            self._steps[size] = self._record(places, work, (kernels, self._arena.memory))
        return self._steps[size]

    def _record(
        self, places: _Places, kernels: Callable[[], None], owners: tuple[object, ...]
    ) -> _Recorded:
        def work() -> None:
            places.inputs.copy_in()
            kernels()
            places.outputs.copy_out()

        # Once for real: what is made ready at a first call cannot be made ready while a graph is
        # recorded.
        work()
        self.device.synchronize()
        graph = self.device.capture(work, (places, *owners))
        return _Recorded(graph, places)

    def _places_to_look(self, size: int) -> _Places:
        s, f4 = self._sizes, np.float32
        features: Shapes = {
            "deep": ((size, s.deep), f4),
            "latent": ((size, s.positions, s.code_width), f4),
        }
        sound: Shapes = {"segment": ((size, s.segment), f4), "level": ((size,), f4)}
        codes: Shapes = {"codes": ((size, s.positions), np.int32)}
        tokens: Shapes = {"tokens": ((size, s.width), f4)}
        if isinstance(self.front_end, OnDevice):
            inputs = make_staging(self.device, sound)
            outputs = make_staging(self.device, {**tokens, "level_out": ((size,), f4)})
            scratch, owner = make_scratch(self.device, {**features, **codes})
        else:
            inputs = make_staging(self.device, features)
            outputs = make_staging(self.device, tokens)
            scratch, owner = make_scratch(self.device, codes)
        addresses = {**inputs.addresses, **outputs.addresses, **scratch}
        enqueue = (
            self.front_end.prepare(size, addresses)
            if isinstance(self.front_end, OnDevice)
            else None
        )
        return _Places(inputs, outputs, addresses, enqueue, owner)

    def _places_to_step(self, size: int) -> _Places:
        tokens = ((size, self._sizes.width), np.float32)
        inputs = make_staging(self.device, {"rows": ((size,), np.int32), "tokens": tokens})
        outputs = make_staging(self.device, {"logits": ((size, self._outputs), np.float32)})
        return _Places(inputs, outputs, {**inputs.addresses, **outputs.addresses})


def size_for(count: int) -> int:
    """The batch size to which a number of rows is padded."""
    return next(size for size in BATCH_SIZES if size >= count)
