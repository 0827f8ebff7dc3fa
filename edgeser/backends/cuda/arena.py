"""The state blocks of all streams on a GPU, as rows of one allocation."""

from __future__ import annotations

from collections import deque

import numpy as np

from edgeser.backends.cuda.device import Bytes, Device, Memory

FIRST_ROWS = 16
POSITION_BYTES = 8
"""Of a block's header: the number of tokens done."""


class Arena:
    """Rows for streams. It grows by doubling and never shrinks.

    Growing moves it: whoever keeps ``memory`` must look whether it is still the same. All but
    :meth:`release` is for one thread at a time.
    """

    def __init__(self, device: Device, block_bytes: int, state_bytes: int) -> None:
        """Rows lie ``block_bytes`` apart, and hold ``state_bytes`` each. Raises DeviceError."""
        self._device = device
        self._pitch, self._size = block_bytes, state_bytes
        self._rows = FIRST_ROWS
        self._memory = device.allocate(FIRST_ROWS * block_bytes)
        self._free: deque[int] = deque(range(FIRST_ROWS))

    @property
    def memory(self) -> Memory:
        """Of all rows; row 0 is at its address."""
        return self._memory

    @property
    def rows(self) -> int:
        """How many there are, leased or not."""
        return self._rows

    def lease(self) -> int:
        """A row that is nobody else's until it is released; it may hold anything.

        Raises:
            DeviceError: no memory for more. Nothing has changed then.
        """
        try:
            return self._free.popleft()
        except IndexError:
            self._grow()
            return self._free.popleft()

    def release(self, row: int) -> None:
        """Take a row back; from any thread, at any time, a garbage collector's too."""
        self._free.append(row)

    def begin(self, row: int) -> None:
        """Enqueue what puts a row at position 0: nothing that its rings hold is then read."""
        self._device.copy_in(self._at(row), np.zeros(POSITION_BYTES, np.uint8))

    def write(self, row: int, block: Bytes) -> None:
        """Enqueue a copy of a host block (state_bytes,) to a row."""
        self._device.copy_in(self._at(row), block)

    def read(self, row: int, block: Bytes) -> None:
        """Enqueue a copy of a row to a host block (state_bytes,)."""
        self._device.copy_out(block, self._at(row))

    def _at(self, row: int) -> int:
        return self._memory.address + row * self._pitch

    def _grow(self) -> None:
        old: Memory = self._memory
        new = self._device.allocate(2 * old.size)
        self._device.copy_within(new.address, old.address, old.size)
        self._device.synchronize()  # before the old one is given back
        self._memory = new
        self._free.extend(range(self._rows, 2 * self._rows))
        self._rows *= 2
