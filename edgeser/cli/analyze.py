"""``edgeser analyze``: recordings on disk, judged one by one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars

from edgeser.cli.exit_codes import ExitCode
from edgeser.cli.loading import load_model
from edgeser.cli.options import BackendOption, ModelOption, PrecisionOption, Vad, VadOption
from edgeser.cli.recordings import recordings
from edgeser.cli.rows import Kind, Progress, columns, rows
from edgeser.cli.table import Table
from edgeser.cli.timeline import Timeline, verdict_line
from edgeser.errors import AudioError
from edgeser.model import Model
from edgeser.results import Analysis
from edgeser.version import __version__

T = TypeVar("T")


def analyze(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER",
            help="WAV, FLAC, Ogg or MP3, at any rate; of a folder all that are in and below it.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="results.csv",
            help="Write a table, .csv or .parquet. Recordings that are in it already are skipped, "
            "so the same command goes on after a stop.",
        ),
    ] = None,
    per: Annotated[
        Kind, typer.Option("--rows", help="What the table has a row for each of.")
    ] = "files",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Everything, or of a table what became of it, as JSON."),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="timeline.png", help="Draw the file's timeline into an image."),
    ] = None,
    vad: VadOption = "own",
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
    backend: BackendOption = "cpu",
) -> None:
    """Judge whole recordings: which emotion, how sure, when."""
    if out is None and per != "files":
        raise typer.BadParameter(f"--rows {per} is for a table: say --out results.csv as well")
    if vad != "own" and per != "utterances":
        raise typer.BadParameter("--vad is for utterances: say --rows utterances as well")
    if out is not None and plot is not None:
        raise typer.BadParameter("--plot draws one file and --out is for many: leave one out")
    files = list(recordings(paths))
    if plot is not None and len(files) != 1:
        raise typer.BadParameter(
            f"--plot draws one file and there are {len(files)}: call it once for each"
        )
    if plot is not None:
        from edgeser.plot import check_plot_path

        check_plot_path(plot)
    loaded = load_model(model, backend, precision)
    if out is None:
        failed = _show(loaded, files, as_json, plot)
    else:
        failed = _tabulate(loaded, files, out, per, vad, as_json)
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _show(model: Model, files: Sequence[Path], as_json: bool, plot: Path | None) -> bool:
    """Judge files and print it; whether any failed."""
    console = Console(highlight=False)
    told: list[dict[str, Any]] = []
    failed = False
    for file, analysis in _each(files, lambda file, tell: model.analyze(file, progress=tell)):
        if isinstance(analysis, AudioError):
            failed = True
            told.append({"source": str(file), "error": str(analysis)})
            continue
        if as_json:
            told.append(analysis.to_dict())
        else:
            _print(console, model, analysis, with_timeline=len(files) == 1)
        if plot is not None:
            from edgeser.plot import save_timeline

            save_timeline(analysis, plot)
            if not as_json:
                console.print(f"timeline in {escape(str(plot))}", soft_wrap=True)
    if as_json:
        about = {"name": model.name, "version": model.version, "hash": model.hash}
        typer.echo(json.dumps({"model": about, "files": told}, indent=1, ensure_ascii=False))
    return failed


def _tabulate(
    model: Model, files: Sequence[Path], out: Path, per: Kind, vad: Vad, as_json: bool
) -> bool:
    """Judge files into a table; whether any failed."""
    made_by = f"edgeser {__version__}, {model.name} {model.version} {model.hash[:12]}"
    made_by += f", {model.precision}" + (f", {vad}" if vad != "own" else "")
    names = {file: _printable(file) for file in files}
    failed: list[dict[str, str]] = []
    with Table(out, columns(per, model), made_by) as table:
        new = [file for file in files if names[file] not in table.done]
        done = 0
        try:
            for file, made in _each(new, lambda file, tell: rows(per, model, file, vad, tell)):
                if isinstance(made, AudioError):
                    failed.append({"file": names[file], "error": str(made)})
                else:
                    table.add(names[file], made)
                    done += 1
        except KeyboardInterrupt:
            rest = len(new) - done - len(failed)
            note = f"edgeser: stopped; {out} lacks {rest}, and the same command goes on with them"
            typer.echo(note, err=True)
            raise
    skipped = len(files) - len(new)
    if as_json:
        about = {"out": str(out), "analysed": done, "skipped": skipped, "failed": failed}
        typer.echo(json.dumps(about, indent=1, ensure_ascii=False))
    else:
        typer.echo(f"{done} analysed, {skipped} there before, {len(failed)} failed: {out}")
    return bool(failed)


def _each(
    files: Sequence[Path], judge: Callable[[Path, Progress], T]
) -> Iterator[tuple[Path, T | AudioError]]:
    """What becomes of each file; errors are told and yielded, and a progress bar is shown."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[done]}", markup=False),
        TimeRemainingColumn(),
    )
    errors = Console(stderr=True)
    bars = ProgressBars(
        *columns,
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # else it would be taken out of the pipe
    )
    with bars:
        whole = bars.add_task("all", total=len(files), visible=len(files) > 1, done="")
        for number, file in enumerate(files):
            one = bars.add_task(_printable(file.name), total=1, done="")

            def tell(done: float, total: float, one: TaskID = one) -> None:
                said = f"{done:.0f} of {total:.0f} s"
                bars.update(one, completed=done, total=total, done=said)

            try:
                result: T | AudioError = judge(file, tell)
            except AudioError as error:
                typer.echo(f"edgeser: {_printable(error)}", err=True)
                result = error
            bars.remove_task(one)
            bars.update(whole, advance=1, done=f"{number + 1} of {len(files)}")
            yield file, result


def _printable(name: object) -> str:
    """A file's name as text, also where its bytes are none."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def _print(console: Console, model: Model, analysis: Analysis, *, with_timeline: bool) -> None:
    name = escape(_printable(analysis.source))
    console.print(f"{name}  {verdict_line(analysis.verdict)}", soft_wrap=True)
    if with_timeline:
        timeline = Timeline(model, analysis.duration, console.width)
        console.print(timeline.draw(analysis.frames))
