"""Shared memory in which the processes of one server publish their state and counters.

Each process writes one row and reads all rows. A row outlives its process, so counters are not
lost: the process that replaces it continues from them. There is no lock, except for the moment in
which a client gets its seat.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

CELLS = 128
"""Numbers in one row, eight bytes each."""
STATE, BEAT, LAST_FRAME, CLIENTS, VISITORS, WAITING, FIRST_FIGURE = range(7)
_SALT_BYTES = 64
LOCK_TRIES, LOCK_SECONDS = 50, 0.001
"""Taking a seat needs microseconds; a process that holds the lock for longer hangs."""


class State(IntEnum):
    """State of one process."""

    starting = 0
    ok = 1
    failing = 2
    stalled = 3
    closing = 4


@dataclass(frozen=True, slots=True)
class Fellow:
    """The state that one process last published."""

    state: State
    said_at: float
    """Time of publication, of ``time.monotonic``."""
    silent_seconds: float
    """Seconds since then."""
    clients: int
    visitors: int
    """Open connections, whether clients or not."""
    since_frame: float | None
    """Seconds since the last frame of any client; None before the first."""


class Board:
    """The shared memory of one server.

    Args:
        rows: number of processes.
        seats: limit of clients at one time, over all processes.
        handle: file descriptor of the memory, from :meth:`shared`; None for a single process.
    """

    def __init__(self, rows: int, seats: int, handle: int | None = None) -> None:
        self.rows, self.handle = rows, handle
        self._memory = mmap.mmap(-1 if handle is None else handle, _size(rows, seats))
        self._cells = memoryview(self._memory)[_SALT_BYTES:].cast("d")
        self._seats = np.frombuffer(
            self._memory, np.uint64, rows * seats, _SALT_BYTES + 8 * rows * CELLS
        ).reshape(rows, seats)
        if not any(self._memory[:16]):
            self._memory[:16] = secrets.token_bytes(16)

    @staticmethod
    def shared(rows: int, seats: int) -> Board:
        """Memory that can be passed to other processes by its ``handle``. Linux only."""
        handle = os.memfd_create("edgeser serve")
        os.ftruncate(handle, _size(rows, seats))
        return Board(rows, seats, handle)

    def row(self, row: int) -> memoryview[float]:
        """The numbers of one process; only that process writes them."""
        return self._cells[row * CELLS : (row + 1) * CELLS]

    def sum(self, cell: int) -> float:
        """Sum of a cell over all processes."""
        return float(sum(self._cells[row * CELLS + cell] for row in range(self.rows)))

    def fellow(self, row: int) -> Fellow:
        """The state that a process last published."""
        cells, now = self.row(row), time.monotonic()
        return Fellow(
            State(int(cells[STATE])),
            cells[BEAT],
            now - cells[BEAT],
            int(cells[CLIENTS]),
            int(cells[VISITORS]),
            now - cells[LAST_FRAME] if cells[LAST_FRAME] else None,
        )

    def vacate(self, row: int) -> None:
        """Clears the row of a process that ended, with its clients. Its counters stay."""
        self._seats[row] = 0
        self.row(row)[:FIRST_FIGURE] = memoryview(bytes(8 * FIRST_FIGURE)).cast("d")

    def take_seat(self, row: int, group: str, most: int | None) -> int | None:
        """Takes a seat for a client from a group of addresses; None if none is allowed.

        ``most`` is the limit of a group, None for no limit. It holds over all processes together.
        """
        key = self._key(group)
        with self._alone():
            free = np.flatnonzero(self._seats[row] == 0)
            taken = np.count_nonzero(self._seats)
            if taken >= self._seats.shape[1] or not len(free):
                return None
            if most is not None and np.count_nonzero(self._seats == key) >= most:
                return None
            self._seats[row, free[0]] = key
            return int(free[0])

    def leave_seat(self, row: int, seat: int) -> None:
        """Frees the seat of a client that left."""
        self._seats[row, seat] = 0

    def _key(self, group: str) -> np.uint64:
        """Keyed hash of a group: collisions cannot be made on purpose, and it hides the address."""
        digest = hashlib.blake2b(group.encode(), digest_size=8, key=self._memory[:16]).digest()
        return np.uint64(int.from_bytes(digest, "little") or 1)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Locks out other processes. The lock of a dead process is free; a hung one is ignored."""
        if self.handle is None:
            yield
            return
        import fcntl

        for _ in range(LOCK_TRIES):
            with suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(LOCK_SECONDS)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.lockf(self.handle, fcntl.LOCK_UN)


@dataclass(frozen=True, slots=True)
class Place:
    """One process's row of the board."""

    board: Board
    row: int

    @property
    def cells(self) -> memoryview[float]:
        """The row's numbers."""
        return self.board.row(self.row)

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.board.rows == 1

    def patience(self) -> float:
        """Seconds to leave a new connection to other processes, which have fewer connections."""
        others = [self.board.fellow(row) for row in range(self.board.rows) if row != self.row]
        free = [o.visitors for o in others if o.state == State.ok and o.silent_seconds < FRESH]
        return PATIENCE if free and min(free) < self.cells[VISITORS] else 0.0


FRESH = 2.0
"""Seconds after which a process that published nothing counts as unavailable."""
PATIENCE = 0.005


def _size(rows: int, seats: int) -> int:
    return _SALT_BYTES + 8 * rows * (CELLS + seats)
