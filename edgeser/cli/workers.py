"""Analyzes files in this process or in worker processes: ``edgeser analyze --jobs``.

A process each, and no pool of the standard library: a file on which a process dies is named and
the others go on, and Ctrl-C ends all of them at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgeser.errors import AudioError, BackendError, EdgeserError
from edgeser.model import Model
from edgeser.options import Backend, Precision

T = TypeVar("T")
Progress = Callable[[float, float], object]
Judge = Callable[[Model, Path, Progress], T]
"""What is made of a file; a function of a module, since other processes must find it."""


@dataclass(frozen=True, slots=True)
class Work(Generic[T]):
    """The setup of each worker: the model's options and the analysis."""

    model: Path | None
    backend: Backend
    precision: Precision
    judge: Judge[T]


def judged(files: Sequence[Path], work: Work[T], jobs: int) -> Iterator[tuple[int, T | AudioError]]:
    """(index in ``files``, result) as they finish, from several processes.

    Closing the iterator ends the processes, in the middle of whatever they do.

    Raises:
        EdgeserError: what was wrong was no file: the model cannot be loaded, or failed.
    """
    waiting = list(enumerate(files))[::-1]
    workers: list[_Worker] = []
    try:
        workers.extend(_Worker(work) for _ in range(min(jobs, len(files))))
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                done = worker.place
                result = worker.receive(files)
                if result is not _READY:
                    yield done, result
                if worker.connection.closed:
                    workers.remove(worker)
                    if waiting:
                        workers.append(_Worker(work))
                elif waiting:
                    worker.send(*waiting.pop())
                else:
                    workers.remove(worker)
                    worker.end()
    finally:
        for worker in workers:
            worker.end()


_READY = object()
_STARTING = -1


class _Worker:
    """A process, and which file it has."""

    def __init__(self, work: Work[Any]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy half of ONNX Runtime
        self.connection, theirs = context.Pipe()
        self.place = _STARTING
        self._process = context.Process(target=_run, args=(theirs, work), daemon=True)
        with _interrupts_ignored():  # by the process, which inherits it: this one ends it
            self._process.start()
        theirs.close()

    def send(self, place: int, file: Path) -> None:
        self.place = place
        try:
            self.connection.send(os.fsencode(file))
        except OSError:
            return  # it died: that is received next

    def receive(self, files: Sequence[Path]) -> Any:
        """What it made; an AudioError if the file was its death, after which it is closed."""
        try:
            result = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            how = _how_it_ended(self._process.exitcode)
            self.end()
            if self.place == _STARTING:
                raise BackendError(f"a process of --jobs {how} before it began") from None
            return AudioError(
                f"{files[self.place]}: the process that judged it {how}: the file may be damaged, "
                "or memory have run out"
            )
        if isinstance(result, EdgeserError) and not isinstance(result, AudioError):
            raise result
        return _READY if self.place == _STARTING else result

    def end(self) -> None:
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"


def _run(connection: Connection, work: Work[Any]) -> None:
    """A process, from its beginning to its end: files in, results out."""
    from edgeser.cli.command import log_to_standard_error
    from edgeser.loading import load

    log_to_standard_error()
    warnings.simplefilter("ignore")  # the main process has shown them
    try:
        model = load(work.model, backend=work.backend, precision=work.precision)
    except EdgeserError as error:
        connection.send(error)
        return
    connection.send(None)
    while True:
        try:
            file = Path(os.fsdecode(connection.recv()))
        except (EOFError, OSError):
            return  # the first process is gone
        try:
            connection.send(one(model, file, work.judge, _silent))
        except EdgeserError as error:
            connection.send(error)
            return


def one(model: Model, file: Path, judge: Judge[T], progress: Progress) -> T | AudioError:
    """What ``judge`` makes of a file, or why that cannot be."""
    try:
        return judge(model, file, progress)
    except AudioError as error:
        return error
    except MemoryError:
        return AudioError(f"{file}: there is not enough memory for it")


def _silent(done: float, total: float) -> None:
    del done, total


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
