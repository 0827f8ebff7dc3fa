"""``edgeser analyze``: judges recordings on disk, one by one."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars

from edgeser.audio.opened import is_pipe
from edgeser.cli.archive.command import judge_archive
from edgeser.cli.exit_codes import ExitCode
from edgeser.cli.formats import Row
from edgeser.cli.loading import load_model
from edgeser.cli.options import BackendOption, ModelOption, PrecisionOption, Vad, VadOption
from edgeser.cli.output import as_text, plain_console, shown, words
from edgeser.cli.recordings import Found, mention, printable, recordings
from edgeser.cli.rows import Kind, Progress, columns, rows
from edgeser.cli.table import Table
from edgeser.cli.timeline import Timeline, verdict_line
from edgeser.cli.workers import Work, judged, one
from edgeser.errors import AudioError
from edgeser.model import Model
from edgeser.results import Analysis
from edgeser.version import __version__

T = TypeVar("T")


def analyze(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER",
            help="WAV, FLAC, Ogg or MP3, at any sample rate; a folder stands for all recordings "
            "in and below it; - is standard input.",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="results.csv",
            help="Write a table, .csv or .parquet; with --engine ray, a folder of Parquet. "
            "Recordings that it already has are skipped, so the same command resumes after a "
            "stop.",
        ),
    ] = None,
    per: Annotated[
        Kind, typer.Option("--rows", help="One row of the table for each of these.")
    ] = "files",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print all results, or a summary of the table, as JSON."),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="timeline.png", help="Draw the file's timeline into an image."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Number of processes; default 1, with --engine ray one per core.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Judge only the I-th of N shards of the files; the shard depends on the file's "
            "name. Write each shard to its own table, then run `edgeser merge`.",
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="ray: run on the cluster of RAY_ADDRESS, or on this machine (extra ray); also "
            "reads addresses such as s3://bucket/calls, and writes utterances and timelines."
        ),
    ] = "local",
    vad: VadOption = "own",
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
    backend: BackendOption = "cpu",
) -> None:
    """Judge whole recordings: the emotion, its confidence, and when."""
    if engine == "ray":
        others = {"--rows": per != "files", "--plot": plot, "--shard": shard}
        others["--backend"] = backend != "cpu"
        if any(others.values()):
            which = ", ".join(name for name, given in others.items() if given)
            raise typer.BadParameter(f"--engine ray has no {which}: leave it out")
        if target is None:
            raise typer.BadParameter("--engine ray writes a folder: say --out results as well")
        failed = judge_archive(
            names,
            target,
            workers=jobs,
            vad=vad,
            model=model,
            precision=precision,
            as_json=as_json,
        )
        if failed:
            raise typer.Exit(ExitCode.FAILED)
        return
    paths, out, jobs = list(map(Path, names)), Path(target) if target else None, jobs or 1
    if out is None and per != "files":
        raise typer.BadParameter(f"--rows {per} is for a table: say --out results.csv as well")
    if vad != "own" and per != "utterances":
        raise typer.BadParameter("--vad is for utterances: say --rows utterances as well")
    if out is not None and plot is not None:
        raise typer.BadParameter("--plot draws one file and --out is for many: leave one out")
    share = _share(shard)
    found = recordings(paths)
    files = [file for file in found.files if share is None or _is_in(share, file)]
    pipes = [file for file in files if is_pipe(file)]
    if plot is not None and (len(files) != 1 or pipes):
        there = "a pipe is read only once" if pipes else f"there are {len(files)}"
        raise typer.BadParameter(f"--plot draws one file and {there}: call it once for each")
    if jobs > 1 and pipes:
        raise typer.BadParameter(f"--jobs is for files, and {pipes[0]} is a pipe: leave one out")
    if plot is not None:
        from edgeser.plot import check_plot_path

        check_plot_path(plot)
    if found.left_out:
        typer.echo(f"edgeser: {shown(mention(found.left_out))}", err=True)
    loaded = load_model(model, backend, precision)
    found = Found(files, found.left_out)
    if out is None:
        analyses = _Each(loaded, Work(model, backend, precision, _analysis), jobs)
        failed = _show(analyses, found, as_json, plot)
    else:
        made = _Each(loaded, Work(model, backend, precision, partial(_rows, per, vad)), jobs)
        failed = _tabulate(made, found, out, per, vad, as_json)
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _analysis(model: Model, file: Path, progress: Progress) -> Analysis:
    return model.analyze(file, progress=progress)


def _rows(kind: Kind, vad: Vad, model: Model, file: Path, progress: Progress) -> list[Row]:
    return rows(kind, model, file, vad, progress)


def _share(shard: str | None) -> tuple[int, int] | None:
    if shard is None:
        return None
    given = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", shard)
    which, of = map(int, given.groups()) if given else (0, 0)
    if not 1 <= which <= of:
        raise typer.BadParameter(f"--shard is {shard!r}: say 1/4, 2/4, 3/4 and 4/4 for four shares")
    return which, of


def _is_in(share: tuple[int, int], file: Path) -> bool:
    """Depends on the file's name only: new or deleted files move no other file."""
    which, of = share
    return int.from_bytes(sha256(os.fsencode(file)).digest()[:8], "big") % of == which - 1


def _show(each: _Each[Analysis], found: Found, as_json: bool, plot: Path | None) -> bool:
    """Judge files and print it; whether any failed."""
    console = plain_console()
    model, files = each.model, found.files
    told: list[dict[str, Any]] = []
    failed = False
    for place, analysis in _in_order(each(files)):
        if isinstance(analysis, AudioError):
            failed = True
            told.append({"source": str(files[place]), "error": str(analysis)})
            continue
        if as_json:
            told.append(analysis.to_dict())
        else:
            _print(console, model, analysis, with_timeline=len(files) == 1)
        if plot is not None:
            from edgeser.plot import save_timeline

            save_timeline(analysis, plot)
            if not as_json:
                console.print(f"timeline in {shown(plot)}", soft_wrap=True)
    if as_json:
        about = {"name": model.name, "version": model.version, "hash": model.hash}
        typer.echo(as_text({"model": about, "files": told, **_left_out(found)}))
    return failed


def _tabulate(
    each: _Each[list[Row]], found: Found, out: Path, per: Kind, vad: Vad, as_json: bool
) -> bool:
    """Judge files into a table; whether any failed."""
    model, files = each.model, found.files
    made_by = f"edgeser {__version__}, {model.name} {model.version} {model.hash[:12]}"
    made_by += f", {model.precision}" + (f", {vad}" if vad != "own" else "")
    names = {file: printable(file) for file in files}
    failed: dict[int, dict[str, str]] = {}
    with Table(out, columns(per, model), made_by) as table:
        new = [file for file in files if names[file] not in table.done or is_pipe(file)]
        done = 0
        try:
            for place, made in each(new):
                name = names[new[place]]
                if not isinstance(made, AudioError) and name in table.done:
                    # It is a pipe: files in the table are not in ``new``, and no two share a name.
                    made = AudioError(f"{name}: is in the table, and a pipe may bring another one")
                    typer.echo(f"edgeser: {shown(made)}", err=True)
                if isinstance(made, AudioError):
                    failed[place] = {"file": name, "error": str(made)}
                else:
                    table.add(name, made, place)
                    done += 1
        except KeyboardInterrupt:
            rest = len(new) - done - len(failed)
            note = f"stopped; {out} lacks {rest}: run the same command again to resume"
            typer.echo(f"edgeser: {shown(note)}", err=True)
            raise
    skipped = len(files) - len(new)
    if as_json:
        about = {"out": str(out), "analysed": done, "skipped": skipped}
        about["failed"] = [error for _, error in sorted(failed.items())]
        typer.echo(as_text({**about, **_left_out(found)}))
    else:
        counts = f"{done} analysed, {skipped} there before, {len(failed)} failed"
        typer.echo(f"{counts}: {shown(out)}")
    return bool(failed)


def _left_out(found: Found) -> dict[str, list[str]]:
    return {"left_out": [printable(path) for path in found.left_out]} if found.left_out else {}


def _in_order(results: Iterator[tuple[int, T]]) -> Iterator[tuple[int, T]]:
    """The same in the order of their numbers; early results wait."""
    early: dict[int, T] = {}
    expected = 0
    for place, result in results:
        early[place] = result
        while expected in early:
            yield expected, early.pop(expected)
            expected += 1


class _Each(Generic[T]):
    """The result of each file; prints errors and a progress bar."""

    def __init__(self, model: Model, work: Work[T], jobs: int) -> None:
        self.model, self.work, self._jobs = model, work, jobs

    def __call__(self, files: Sequence[Path]) -> Iterator[tuple[int, T | AudioError]]:
        """(place in ``files``, result), in the order in which they are done."""
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
        with bars, closing(self._results(files, bars)) as results:
            whole = bars.add_task("all", total=len(files), visible=len(files) > 1, done="")
            for number, (place, result) in enumerate(results, 1):
                if isinstance(result, AudioError):
                    typer.echo(f"edgeser: {shown(result)}", err=True)
                bars.update(whole, advance=1, done=f"{number} of {len(files)}")
                yield place, result

    def _results(
        self, files: Sequence[Path], bars: ProgressBars
    ) -> Generator[tuple[int, T | AudioError], None, None]:
        if self._jobs > 1 and len(files) > 1:
            yield from judged(files, self.work, self._jobs)
            return
        for place, file in enumerate(files):
            bar = bars.add_task(shown(file.name), total=1, done="")

            def tell(done: float, total: float, bar: TaskID = bar) -> None:
                said = f"{done:.0f} of {total:.0f} s"
                bars.update(bar, completed=done, total=total, done=said)

            result = one(self.model, file, self.work.judge, tell)
            bars.remove_task(bar)
            yield place, result


def _print(console: Console, model: Model, analysis: Analysis, *, with_timeline: bool) -> None:
    console.print(
        words(f"{analysis.source}  ").append_text(verdict_line(analysis.verdict)), soft_wrap=True
    )
    if with_timeline:
        timeline = Timeline(model, analysis.duration, console.width)
        console.print(timeline.draw(analysis.frames))
