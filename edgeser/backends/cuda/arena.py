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

    Growing moves it to another address, so compare ``memory`` with a stored reference before use.
    Threads: one at a time, except :meth:`release`.
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
        """Number of rows, reserved or not."""
        return self._rows

    def lease(self) -> int:
        """Reserves a row until it is released. Its contents are undefined.

        Raises:
            DeviceError: no memory for more rows. Nothing has changed.
        """
        try:
            return self._free.popleft()
        except IndexError:
            self._grow()
            return self._free.popleft()

    def release(self, row: int) -> None:
        """Releases a row; may be called from any thread at any time, also by the collector."""
        self._free.append(row)

    def begin(self, row: int) -> None:
        """Enqueues a reset of a row to position 0; the old contents of its rings are not read."""
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
