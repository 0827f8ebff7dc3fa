"""Advances streams on a GPU: moves their rings there and back, and undoes steps."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeser.backends.cuda import journal
from edgeser.backends.cuda.journal import LONGEST_TURN, StreamOnGpu, placed, rebuild
from edgeser.backends.cuda.runtime import BATCH_SIZES, Runtime
from edgeser.errors import DeviceError

if TYPE_CHECKING:
    from edgeser import _kernels as core

Floats = npt.NDArray[np.float32]

_log = logging.getLogger(__name__)


class GpuStepper:
    """Implements :class:`edgeser.backends.interface.Stepper`.

    A stream moves to the GPU at its first step there, and stays until an error or until it is
    deleted. Its journal allows it to leave at any moment.
    """

    def __init__(self, runtime: Runtime, tacn: core.TACN) -> None:
        """On a runtime made for the model whose TACN on the CPU is ``tacn``."""
        self.runtime = runtime
        self._tacn = tacn
        self._on_gpu: weakref.WeakKeyDictionary[core.Stream, StreamOnGpu] = (
            weakref.WeakKeyDictionary()
        )

    @property
    def largest_batch(self) -> int:
        """See :class:`~edgeser.backends.interface.Stepper`."""
        return BATCH_SIZES[-1]

    def tokens(self, segments: Floats, levels: Floats) -> tuple[Floats, Floats]:
        """See :class:`~edgeser.backends.interface.Stepper`. Raises DeviceError."""
        return self.runtime.look(segments, levels)

    def step(
        self, streams: Sequence[core.Stream], begins: Sequence[bool], tokens: Floats
    ) -> Floats:
        """See :class:`~edgeser.backends.interface.Stepper`. Raises DeviceError."""
        on_gpu = [
            self._admitted(stream, begin) for stream, begin in zip(streams, begins, strict=True)
        ]
        for one in on_gpu:
            one.unsure = True
        logits = self.runtime.step([one.row for one in on_gpu], begins, tokens)
        for one, token in zip(on_gpu, tokens, strict=True):
            one.sequence.note(token)
            one.unsure = False
        return logits

    @contextmanager
    def turn(self, streams: Sequence[core.Stream], hops: Sequence[int]) -> Iterator[None]:
        """See :class:`~edgeser.backends.interface.Stepper`: undone from the journals."""
        before: list[tuple[core.Stream, journal.Sequence | None]] = []
        for stream, most in zip(streams, hops, strict=False):
            if most > LONGEST_TURN:
                self.settle(stream)
            there = self._on_gpu.get(stream)
            before.append((stream, None if there is None else copy(there.sequence)))
        try:
            yield
        except BaseException:
            for stream, sequence in before:
                self._put_back(stream, sequence)
            raise

    def settle(self, stream: core.Stream) -> None:
        """Copies a stream's rings into its block; if the device fails, rebuilds them."""
        there = self._on_gpu.get(stream)
        if there is None or not stream.tokens or there.sequence.base == stream.tokens:
            return
        block = np.empty_like(stream.rings)  # a copy that fails must not spoil what there is
        try:
            self.runtime.read(there.row, block)
        except DeviceError as error:
            _log.warning("a stream is made anew from its journal: %s", error)
            self.leave(stream)
        else:
            stream.rings[:] = block
            there.sequence.base = there.sequence.position

    def leave(self, stream: core.Stream) -> None:
        """Moves a stream back from the device without using the device."""
        there = self._on_gpu.pop(stream, None)
        if there is not None and stream.tokens:
            sequence = there.sequence
            stream.rings[:] = rebuild(self._tacn, sequence, stream.rings, sequence.position)

    def _put_back(self, stream: core.Stream, sequence: journal.Sequence | None) -> None:
        """Restores a stream's rings from before the turn, if they were on the device."""
        there = self._on_gpu.get(stream)
        if there is None:
            return
        now = there.sequence
        if (
            sequence is not None
            and not there.unsure
            and now.journal is sequence.journal
            and now.position == sequence.position
        ):
            return  # it was not stepped
        del self._on_gpu[stream]
        if sequence is not None:
            stream.rings[:] = rebuild(self._tacn, sequence, stream.rings, sequence.position)

    def _admitted(self, stream: core.Stream, begins: bool) -> StreamOnGpu:
        there = self._on_gpu.get(stream)
        reach, width = self._tacn.receptive_field - 1, self._tacn.width
        position = stream.tokens - 1
        if there is None:
            sequence = journal.Sequence.at(position, None if begins else position, reach, width)
            runtime = self.runtime
            there = StreamOnGpu(runtime.lease(), sequence, runtime.release)
            if not begins:
                runtime.write(there.row, placed(stream.rings, position))
            self._on_gpu[stream] = there
        elif begins:
            # The journal of the one before may still be needed to undo.
            there.sequence = journal.Sequence.at(0, None, reach, width)
        return there
