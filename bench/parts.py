"""Common to the parts of a soak test: duration, and allowed growth."""

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
GROWTH = 4.0  # MiB of resident memory that a part may add: reserves of allocators
SLOWER = 1.25  # allowed factor over speech, or over the beginning


@dataclass(frozen=True)
class Part:
    """The results of a part."""

    name: str
    did: str
    growth_mib: float
    """Resident memory at its end minus that after its warm-up."""
    held: bool


def resident() -> float:
    """Resident memory of this process in MiB."""
    gc.collect()
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def resources() -> tuple[int, int]:
    """Numbers of open files and threads."""
    files, threads = Path("/proc/self/fd"), Path("/proc/self/task")
    return len([*files.iterdir()]), len([*threads.iterdir()])


class Memory:
    """Growth after a third of the time, when allocators have their reserves."""

    def __init__(self, seconds: float) -> None:
        self._warm_at, self._warm = time.monotonic() + seconds / 3, 0.0

    def look(self) -> None:
        """Measures; call it repeatedly."""
        if not self._warm and time.monotonic() > self._warm_at:
            self._warm = resident()

    @property
    def growth(self) -> float:
        """Growth in MiB."""
        return resident() - self._warm if self._warm else 0.0


def until(
    seconds: float, least: float = 0, done: Callable[[], float] | None = None
) -> Iterator[int]:
    """Counts until the time is over and ``least`` is reached by ``done``, or else by the count."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end or (count if done is None else done()) < least:
        yield count
        count += 1
