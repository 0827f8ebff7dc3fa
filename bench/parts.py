"""What the parts of a soak have in common: how long they go on, and what they may add."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
HOP = 2048
GROWTH = 4.0  # MiB of resident memory that a part may add: what allocators keep for later
SLOWER = 1.25  # times as long as speech, or as at first, that nothing may take


@dataclass(frozen=True)
class Part:
    """What a part did."""

    name: str
    did: str
    growth_mib: float
    """Resident memory at its end less that when it was warm."""
    held: bool


def resident() -> float:
    """MiB of this process."""
    gc.collect()
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def resources() -> tuple[int, int]:
    """Open files, and threads."""
    files, threads = Path("/proc/self/fd"), Path("/proc/self/task")
    return len([*files.iterdir()]), len([*threads.iterdir()])


class Memory:
    """What is added once a third of the time is over, when allocators have what they keep."""

    def __init__(self, seconds: float) -> None:
        self._warm_at, self._warm = time.monotonic() + seconds / 3, 0.0

    def look(self) -> None:
        """To be called again and again."""
        if not self._warm and time.monotonic() > self._warm_at:
            self._warm = resident()

    @property
    def growth(self) -> float:
        """MiB."""
        return resident() - self._warm if self._warm else 0.0


def until(
    seconds: float, least: float = 0, done: Callable[[], float] | None = None
) -> Iterator[int]:
    """Counts while there is time, or less was done than so much: of ``done``, else of rounds."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end or (count if done is None else done()) < least:
        yield count
        count += 1
