"""A job on a Ray cluster: judges each recording once, and writes a folder of Parquet files.

Ray Data distributes the work, restarts workers that die and reassigns their recordings. No audio
passes through it: names go out, counts come back, and workers read and write files themselves.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeser.bundle.reader import bundle_bytes
from edgeser.cli.archive.judge import Attempts, Judge
from edgeser.cli.archive.parts import Parts, Shape
from edgeser.cli.archive.places import is_address
from edgeser.cli.options import Vad
from edgeser.cli.recordings import printable
from edgeser.errors import BackendError, EdgeserError, MissingExtraError
from edgeser.options import Precision

MOST_IN_A_PART = 64
"""Recordings that a worker judges before it writes them."""

Done = tuple[int, list[dict[str, str]]]
"""How many recordings a part has, and which of them failed."""


def run(
    files: Sequence[str],
    parts: Parts,
    shape: Shape,
    *,
    model: Path,
    precision: Precision,
    vad: Vad,
    workers: int | None,
) -> Iterator[Done]:
    """Judge files, part by part, as they are done.

    Args:
        files: paths, or addresses, that all machines reach.
        parts: where to.
        shape: of the rows.
        model: a bundle, here.
        precision: as of the command.
        vad: as of the command.
        workers: at a time; None for as many as the cluster has cores.

    Raises:
        BackendError: an error that is not that of a recording.
    """
    ray = _import()
    with _cluster(ray, workers):
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        rows = [{"files": json.dumps(part)} for part in _parts(files, count)]
        count = min(count, len(rows))
        judges = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Judge,
            fn_constructor_args=[
                ray.put(bundle_bytes(model)),  # this process has it for those that start late
                precision,
                vad,
                parts.folder,
                shape,
                ray.remote(Attempts).options(num_cpus=0).remote(),
            ],
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=1,
        )
        try:
            for done in judges.iter_rows():
                yield done["files"], json.loads(done["failed"])
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            if isinstance(cause, EdgeserError):
                raise cause from None
            raise BackendError(f"the job failed: {str(cause).strip().splitlines()[-1]}") from error


def _parts(files: Sequence[str], workers: int) -> Iterator[list[tuple[str, str]]]:
    """(name, place) of those that are judged together: enough parts for all workers."""
    size = max(1, min(MOST_IN_A_PART, len(files) // (4 * workers)))
    for at in range(0, len(files), size):
        yield [
            (printable(name), name if is_address(name) else str(Path(name).absolute()))
            for name in files[at : at + size]
        ]


def _import() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as missing:
        raise MissingExtraError(
            f"--engine ray needs Ray ({missing}): pip install 'edgeser[ray]', or leave it out"
        ) from missing
    return ray


@contextmanager
def _cluster(ray: Any, workers: int | None) -> Iterator[None]:
    """That of RAY_ADDRESS, or one on this machine for as long as the job takes."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not os.environ.get("RAY_ADDRESS"):
        quiet |= {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(**quiet)
    except Exception as error:  # Ray raises bare ones too, where it starts too slowly
        raise BackendError(f"Ray: {error}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()
