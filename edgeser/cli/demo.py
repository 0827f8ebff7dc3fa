"""``edgeser demo``: streams the bundled sample and shows the results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from edgeser.audio.recording import open_recording
from edgeser.cli.options import ModelOption
from edgeser.cli.output import as_text, plain_console
from edgeser.cli.timeline import Timeline, runs, verdict_line
from edgeser.loading import load
from edgeser.model import Model
from edgeser.results import EmotionFrame, Verdict
from edgeser.version import __version__

SAMPLE = Path(__file__).parent.parent / "samples" / "voices.ogg"
_CHUNKS_PER_SECOND = 50  # 20 ms, as a microphone hands them over
_TERMINAL_PACE = 4.0


def demo(
    model: ModelOption = None,
    pace: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Multiple of real time; 0 is as fast as possible. Default: 4 in a terminal, "
            "else 0.",
            show_default=False,
        ),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="The same as --pace 0.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all frames and the verdict as JSON.")
    ] = False,
) -> None:
    """Stream the bundled sample, which is synthetic speech, and show the results."""
    console = plain_console()
    if fast or pace is None:
        watched = console.is_terminal and not (fast or as_json)
        pace = _TERMINAL_PACE if watched else 0.0
    run = _Run(load(model), pace)
    if as_json:
        _tell(run)
        return
    console.print(
        Text.assemble(
            (f"edgeser {__version__}", "bold"),
            f" · model {run.model.name} {run.model.version} · ",
            f"{run.duration:.1f} s of synthetic speech",
        )
    )
    if console.is_terminal:
        _show_live(console, run)
    else:
        for _ in run:
            pass
        for line in runs(run.frames, run.model.hop):
            console.print(line)
    _conclude(console, run)


class _Run:
    """Streams the sample. Iterate over it, and read its attributes in between."""

    def __init__(self, model: Model, pace: float) -> None:
        with open_recording(SAMPLE, None) as recording:
            self.rate = recording.sample_rate
            self.duration = recording.length / recording.sample_rate
        self.model = model
        self.frames: list[EmotionFrame] = []
        self.verdict: Verdict | None = None
        self.busy = 0.0
        """Seconds spent computing, waiting not counted."""
        self._pace = pace

    def __iter__(self) -> Iterator[EmotionFrame]:
        stream = self.model.stream(self.rate)
        began = time.perf_counter()
        step = self.rate // _CHUNKS_PER_SECOND
        with open_recording(SAMPLE, None) as recording:
            for block in recording.blocks:
                for at in range(0, len(block), step):
                    if self._pace:
                        due = began + stream.position / self._pace
                        time.sleep(max(0.0, due - time.perf_counter()))
                    start = time.perf_counter()
                    heard = stream.process(block[at : at + step])
                    self.busy += time.perf_counter() - start
                    self.frames += heard
                    yield from heard
        start = time.perf_counter()
        self.verdict = stream.flush()
        self.busy += time.perf_counter() - start
        self.frames += self.verdict.frames
        yield from self.verdict.frames


def _tell(run: _Run) -> None:
    frames = [asdict(frame) for frame in run]
    verdict = run.verdict and asdict(run.verdict)
    told = {"source": str(SAMPLE), "duration": run.duration, "frames": frames, "verdict": verdict}
    typer.echo(as_text(told))


def _show_live(console: Console, run: _Run) -> None:
    timeline = Timeline(run.model, run.duration, console.width)
    with Live(console=console, refresh_per_second=20) as live:
        for frame in run:
            live.update(Group(Text(), timeline.draw(run.frames), Text(), timeline.now(frame)))
        live.update(Group(Text(), timeline.draw(run.frames)))


def _conclude(console: Console, run: _Run) -> None:
    verdict = run.verdict
    if verdict is None:
        return
    console.print()
    console.print(Text("verdict  ").append_text(verdict_line(verdict)))
    factor = run.busy / run.duration
    console.print(
        f"speed    {run.busy * 1000:.0f} ms for {run.duration:.1f} s: "
        f"real-time factor {factor:.4f}, {1 / factor:.0f} times real time"
    )
