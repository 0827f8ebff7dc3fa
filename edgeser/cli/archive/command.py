"""``edgeser analyze --engine ray``: recordings wherever they are, judged on a cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.loading import load_model
from edgeser.cli.lock import Lock
from edgeser.cli.options import Vad
from edgeser.cli.output import as_text, shown
from edgeser.cli.recordings import mention, printable
from edgeser.cli.rows import columns
from edgeser.errors import MissingExtraError
from edgeser.options import Precision
from edgeser.version import __version__


def judge_archive(
    names: Sequence[str],
    out: str,
    *,
    workers: int | None,
    vad: Vad,
    model: Path | None,
    precision: Precision,
    as_json: bool,
) -> bool:
    """Judge recordings into a folder of Parquet; whether any failed."""
    try:
        from edgeser.cli.archive.parts import Parts, Shape
    except ImportError as missing:
        raise MissingExtraError(
            f"--engine ray needs Ray and pyarrow ({missing}): pip install 'edgeser[ray]'"
        ) from missing
    from edgeser.cli.archive.job import run
    from edgeser.cli.archive.places import find, is_address

    found = find(names)
    if found.left_out:
        typer.echo(f"edgeser: {shown(mention(found.left_out))}", err=True)
    loaded = load_model(model, "cpu", precision)
    made_by = f"edgeser {__version__}, {loaded.name} {loaded.version} {loaded.hash[:12]}"
    made_by += f", {loaded.precision}" + (f", {vad}" if vad != "own" else "")
    shape = Shape(columns("utterances", loaded), columns("frames", loaded), made_by)
    parts = Parts(out if is_address(out) else str(Path(out).absolute()), shape)
    failed: list[dict[str, str]] = []
    done = 0
    errors = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.completed} of {task.total}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    with ExitStack() as stack:
        there = parts.prepare()
        if not is_address(out):
            stack.callback(Lock(Path(out, "_lock"), Path(out)).release)
        files = [str(file) for file in found.files]
        new = [file for file in files if printable(file) not in there]
        if new:
            stack.enter_context(redirect_stdout(sys.stderr))  # Ray tells of workers there
            stack.enter_context(bar)
            task = bar.add_task("all", total=len(new))
            job = run(
                new,
                parts,
                shape,
                model=model or DEFAULT_BUNDLE,
                precision=precision,
                vad=vad,
                workers=workers,
            )
            for count, bad in job:
                for each in bad:
                    typer.echo(f"edgeser: {shown(each['error'])}", err=True)
                failed += bad
                done += count - len(bad)
                bar.update(task, advance=count)
    skipped = len(files) - len(new)
    if as_json:
        order = [printable(file) for file in files]
        failed.sort(key=lambda each: order.index(each["file"]))
        typer.echo(as_text({"out": out, "analysed": done, "skipped": skipped, "failed": failed}))
    else:
        counts = f"{done} analysed, {skipped} there before, {len(failed)} failed"
        typer.echo(f"{counts}: {shown(out)}")
    return bool(failed)
