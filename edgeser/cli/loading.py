"""Loads a model for commands, with a progress bar while TensorRT builds an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from edgeser.loading import load
from edgeser.model import Model
from edgeser.options import Backend, Precision


def load_model(
    model: Path | None, backend: Backend, precision: Precision, key: Path | None = None
) -> Model:
    """As :func:`edgeser.load`."""
    with engine_bar() as progress:
        return load(model, backend=backend, precision=precision, key=key, progress=progress)


@contextmanager
def engine_bar(errors: Console | None = None) -> Iterator[Callable[[float], object]]:
    """A progress bar on standard error, for ``progress`` of :func:`edgeser.load`.

    It appears when a build begins and disappears when it is done; only in a terminal.
    """
    errors = errors or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
    task = bars.add_task("TensorRT builds its engine, once", total=1.0, start=False)

    def show(done: float) -> None:
        if done >= 1:
            bars.stop()
            return
        if not bars.live.is_started:
            bars.start_task(task)
            bars.start()
        bars.update(task, completed=done)

    try:
        yield show
    finally:
        bars.stop()
