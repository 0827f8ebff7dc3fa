"""A model's arithmetic on a GPU, and on the CPU if need be."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np

from edgeser.backends import Precision
from edgeser.bundle import Bundle
from edgeser.errors import DeviceError
from edgeser.gpu.resident import LONGEST_TURN, Resident, position_of, rebuild
from edgeser.gpu.runtime import BATCH_SIZES, Runtime
from edgeser.results import EmotionFrame
from edgeser.state import State
from edgeser.streaming.engine import Engine, Segments

_log = logging.getLogger(__name__)


class CudaEngine(Engine):
    """Steps streams on a GPU. It is also the engine for the CPU, which a stream can go on with.

    A stream moves to the GPU when it is first stepped there and stays until it is reset, put back
    after an error, or gone; what it would need to leave at any moment is kept beside it.
    """

    largest_batch = BATCH_SIZES[-1]

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime,
        precision: Precision = "float32",
        *,
        fall_back: bool,
    ) -> None:
        """Join a bundle to a runtime made for it.

        Args:
            bundle: the model.
            runtime: its front end and kernels on a device.
            precision: theirs.
            fall_back: whether, when the device fails, streams go on on the CPU. One line is logged
                then, and the device is not tried again.

        Raises:
            BundleError, KernelError: as for :class:`edgeser.streaming.engine.Engine`.
        """
        super().__init__(bundle, precision)
        self.runtime = runtime
        self._fall_back = fall_back
        self._lost = False
        self._giving_up = threading.Lock()

    @property
    def backend(self) -> str:
        """``cuda``; ``cpu`` after the device has been given up."""
        return "cpu" if self._lost else "cuda"

    def undo(self, state: State, steps: int) -> Callable[[], None]:
        """As :meth:`edgeser.streaming.engine.Engine.undo`, from the journal: the device keeps no copies."""
        if self._lost:
            self._leave(state)
            return super().undo(state, steps)
        if steps > LONGEST_TURN:
            self.settle(state)
        resident = state.resident
        if resident is None:
            kept = state.tacn.copy()

            def put_back() -> None:
                state.tacn[:] = kept
                state.resident = None

            return put_back
        position = resident.position

        def rewind() -> None:
            base = state.tacn if resident.base is None else resident.base
            state.tacn[:] = rebuild(self._tacn, resident.journal, base, position)
            state.resident = None

        return rewind

    def settle(self, state: State) -> None:
        """As :meth:`edgeser.streaming.engine.Engine.settle`; if the device fails, from the journal."""
        resident = state.resident
        if resident is None or position_of(state.tacn) == resident.position:
            return
        if not self._lost:
            block = np.empty_like(state.tacn)  # a copy that fails must not spoil what there is
            try:
                self.runtime.read(resident.row, block)
            except DeviceError as error:
                _log.warning("a stream is made anew from its journal: %s", error)
            else:
                state.tacn[:] = block
                return
        self._leave(state)

    def _step(self, states: Sequence[State], segments: Segments) -> list[EmotionFrame]:
        if not self._lost:
            try:
                return self._step_there(states, segments)
            except DeviceError as error:
                if not self._fall_back:
                    raise
                self._give_up(error)
        for state in states:
            self._leave(state)
        return super()._step(states, segments)

    def _give_up(self, error: DeviceError) -> None:
        with self._giving_up:  # threads may find out at the same time; one says so
            if not self._lost:
                _log.warning("streams go on on the CPU: %s", error)
            self._lost = True

    def _step_there(self, states: Sequence[State], segments: Segments) -> list[EmotionFrame]:
        residents = [self._resident(state) for state in states]
        rows = [resident.row for resident in residents]
        levels = [float(state.level[0]) for state in states]
        stepped = self.runtime.step(rows, segments, levels)
        for resident, token in zip(residents, stepped.tokens, strict=True):
            resident.note(token)
        return [
            self.record(state, row, level)
            for state, row, level in zip(
                states, stepped.logits.tolist(), stepped.levels.tolist(), strict=True
            )
        ]

    def _resident(self, state: State) -> Resident:
        if state.resident is None:
            state.resident = Resident(
                self.runtime.admit(state.tacn),
                position_of(state.tacn),
                self._tacn.receptive_field - 1,
                self._tacn.width,
                self.runtime.release,
            )
        return state.resident

    def _leave(self, state: State) -> None:
        """Bring a stream back from the device without asking the device."""
        resident = state.resident
        if resident is not None:
            resident.base = state.tacn.copy()  # for a checkpoint that may still be put back
            state.tacn[:] = rebuild(self._tacn, resident.journal, resident.base, resident.position)
            state.resident = None
