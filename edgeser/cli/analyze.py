"""``edgeser analyze``: recordings on disk, judged one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edgeser.cli.options import ModelOption, PrecisionOption
from edgeser.cli.timeline import Timeline, verdict_line
from edgeser.errors import AudioError
from edgeser.loading import load
from edgeser.model import Model
from edgeser.results import Analysis


def analyze(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="WAV, FLAC, Ogg or MP3, at any rate.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Everything, as JSON on standard output.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="timeline.png", help="Draw the file's timeline into an image."),
    ] = None,
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
) -> None:
    """Judge whole recordings: which emotion, how sure, when.

    Exit codes: 0 all files were judged, 1 some file failed, 2 the command line makes no sense.
    """
    if plot is not None and len(files) != 1:
        raise typer.BadParameter(
            f"--plot draws one file and there are {len(files)}: call it once for each"
        )
    if plot is not None:
        from edgeser.plot import check_plot_path

        check_plot_path(plot)
    loaded = load(model, precision=precision)
    console = Console(highlight=False)
    results: list[dict[str, Any]] = []
    failed = False
    for file in files:
        try:
            analysis = _analyse(loaded, file)
        except AudioError as error:
            failed = True
            typer.echo(f"edgeser: {error}", err=True)
            results.append({"source": str(file), "error": str(error)})
            continue
        results.append(analysis.to_dict())
        if not as_json:
            _print(console, loaded, analysis, with_timeline=len(files) == 1)
        if plot is not None:
            from edgeser.plot import save_timeline

            save_timeline(analysis, plot)
            if not as_json:
                console.print(f"timeline in {escape(str(plot))}", soft_wrap=True)
    if as_json:
        about = {"name": loaded.name, "version": loaded.version, "hash": loaded.hash}
        typer.echo(json.dumps({"model": about, "files": results}, indent=1, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


def _analyse(model: Model, file: Path) -> Analysis:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
        TimeRemainingColumn(),
    )
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task(file.name, total=1)
        return model.analyze(
            file, progress=lambda done, total: bars.update(task, completed=done, total=total)
        )


def _print(console: Console, model: Model, analysis: Analysis, *, with_timeline: bool) -> None:
    line = f"{escape(str(analysis.source))}  {verdict_line(analysis.verdict)}"
    console.print(line, soft_wrap=True)
    if with_timeline:
        timeline = Timeline(model, analysis.duration, console.width)
        console.print(timeline.draw(analysis.frames))
