"""A path that alternates between a file and a FIFO, thousands of times a second."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 2.0
_SWAP = """
import os, sys
path, whole = sys.argv[1:]
while True:
    os.link(whole, path + ".file")
    os.replace(path + ".file", path)
    os.mkfifo(path + ".pipe")
    os.replace(path + ".pipe", path)
"""


def read_again_and_again(path: Path, read: Callable[[], bool]) -> tuple[int, int]:
    """Calls ``read`` while the file at ``path`` and a pipe that nobody writes into take turns.

    Who looks at the path first and opens it then waits for that pipe sooner or later.

    Returns:
        How often ``read`` was True, and how often it was False.
    """
    counts = [0, 0]
    with _swapping(path):
        until = time.monotonic() + SECONDS
        while time.monotonic() < until or not all(counts):
            counts[not read()] += 1
    return counts[0], counts[1]


@contextmanager
def _swapping(path: Path) -> Iterator[None]:
    whole = path.with_name(f"{path.name}.whole")
    path.replace(whole)
    swapping = subprocess.Popen([sys.executable, "-SEc", _SWAP, str(path), str(whole)])
    while not path.exists():
        time.sleep(0.01)

    def waited(*_: object) -> None:
        raise AssertionError(f"{path} was waited for")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(30)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        swapping.kill()
        swapping.wait()
