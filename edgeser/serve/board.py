"""What the processes of one server know of each other: figures in memory that they share.

Each process writes a row of its own and reads all. A row outlives its process, so that what it
counted is not lost: whoever takes its place goes on from there. Nobody waits for anybody, but for
the moment in which a client takes its seat.
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
"""Numbers of one row, eight bytes each."""
STATE, BEAT, LAST_FRAME, CLIENTS, VISITORS, WAITING, FIRST_FIGURE = range(7)
_SALT_BYTES = 64
LOCK_TRIES, LOCK_SECONDS = 50, 0.001
"""A seat takes microseconds; whoever holds the others up for longer hangs."""


class State(IntEnum):
    """Of one process."""

    starting = 0
    ok = 1
    failing = 2
    stalled = 3
    closing = 4


@dataclass(frozen=True, slots=True)
class Fellow:
    """What one process last said of itself."""

    state: State
    said_at: float
    """When, of ``time.monotonic``."""
    silent_seconds: float
    """Since then."""
    clients: int
    visitors: int
    """Connections, clients or not."""
    since_frame: float | None
    """Seconds since a frame came, of anybody; None before the first."""


class Board:
    """The shared memory of one server.

    Args:
        rows: processes.
        seats: clients that there may be at one time, of all processes together.
        handle: of the memory, of :meth:`shared`; None for a process by itself.
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
        """Memory that other processes can be given, by its ``handle``. On Linux alone."""
        handle = os.memfd_create("edgeser serve")
        os.ftruncate(handle, _size(rows, seats))
        return Board(rows, seats, handle)

    def row(self, row: int) -> memoryview[float]:
        """The numbers of one process, which it alone writes."""
        return self._cells[row * CELLS : (row + 1) * CELLS]

    def sum(self, cell: int) -> float:
        """Of all processes."""
        return float(sum(self._cells[row * CELLS + cell] for row in range(self.rows)))

    def fellow(self, row: int) -> Fellow:
        """What a process last said of itself."""
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
        """A process is gone: so are its clients. What it counted stays."""
        self._seats[row] = 0
        self.row(row)[:FIRST_FIGURE] = memoryview(bytes(8 * FIRST_FIGURE)).cast("d")

    def take_seat(self, row: int, group: str, most: int | None) -> int | None:
        """A seat for a client from a group of addresses; None if it may have none.

        ``most`` is how many a group may have, None for any number. Holds for all processes
        together.
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
        """A client is gone."""
        self._seats[row, seat] = 0

    def _key(self, group: str) -> np.uint64:
        """Of a group; nobody outside can make two that are alike, nor tell it from the memory."""
        digest = hashlib.blake2b(group.encode(), digest_size=8, key=self._memory[:16]).digest()
        return np.uint64(int.from_bytes(digest, "little") or 1)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time; one that is killed lets go, one that hangs is not waited for."""
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
    """One process's row of a board."""

    board: Board
    row: int

    @property
    def cells(self) -> memoryview[float]:
        """Its numbers."""
        return self.board.row(self.row)

    @property
    def alone(self) -> bool:
        """Whether there are no others."""
        return self.board.rows == 1

    def patience(self) -> float:
        """Seconds for which a newcomer is left to others, who have fewer connections."""
        others = [self.board.fellow(row) for row in range(self.board.rows) if row != self.row]
        free = [o.visitors for o in others if o.state == State.ok and o.silent_seconds < FRESH]
        return PATIENCE if free and min(free) < self.cells[VISITORS] else 0.0


FRESH = 2.0
"""Seconds: a process that has said nothing for longer is not counted on."""
PATIENCE = 0.005


def _size(rows: int, seats: int) -> int:
    return _SALT_BYTES + 8 * rows * (CELLS + seats)
