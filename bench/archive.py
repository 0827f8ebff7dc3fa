"""The cost of an archive: core-hours per hour of audio, with one process, several, and Ray.

    python -m bench.archive

Each way analyses two archives of telephone calls, one three times as large. The difference is the
cost of the calls, and the rest the cost of starting. Other work on the machine changes the elapsed
time, but hardly the CPU time, so core-hours are from CPU time.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr
import typer

from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE, recording

CALL_RATE = 8_000
CALL_SECONDS = 300
HOURS = 10_000
EVERY = 0.1  # seconds between two measurements

PAGE = """\
# Cost of an archive

edgeser {version} on {machine}, {cores} cores, {system}, Python {python}; {date}. The machine
{shared}.

Archives of {small} and {large} telephone calls of {minutes:.0f} minutes, {rate} Hz and 16 bits, the
bundled sample repeated with noise. Rounds, in which all variants ran in turn: {rounds}; figures are
medians over these. The difference between the two archives gives the cost of an hour of audio; the
rest is the start.

{table}

The figures are CPU time of all processes together, including Ray's. Other programs on the machine
hardly change CPU time, but they do change elapsed time, so that is only in the JSON beside this
page. `--engine ray` writes timelines as well as utterances.

{remark}

Made by `python -m bench.archive`.
"""


@dataclass(frozen=True)
class Cost:
    """Cost of one run."""

    elapsed: float
    cpu: float


def main(
    calls: Annotated[int, typer.Option(min=1, help="Number of calls in the smaller archive.")] = 8,
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds in which all variants run in turn.")
    ] = 3,
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Measures and writes a page."""
    cores = os.cpu_count() or 1
    ways: dict[str, list[str]] = {
        "one process": ["--rows", "utterances", "--jobs", "1"],
        f"`--jobs {cores}`": ["--rows", "utterances", "--jobs", str(cores)],
    }
    if find_spec("ray"):
        ways[f"`--engine ray --jobs {cores}`"] = ["--engine", "ray", "--jobs", str(cores)]
    costs: dict[str, dict[int, list[Cost]]] = {way: {} for way in ways}
    sizes = (calls, 3 * calls)
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            _write(Path(folder, str(size)), size)
        for turn in range(rounds):
            for size in sizes:
                for way, options in ways.items():
                    cost = _run(Path(folder, str(size)), options, Path(folder, "out"))
                    costs[way].setdefault(size, []).append(cost)
                    typer.echo(f"{turn + 1} of {rounds}: {size} calls, {way}: {cost}")
    figures = facts(shared)
    ways_cost = {way: _figures(of, *sizes) for way, of in costs.items()}
    figures["ways"] = ways_cost
    figures["runs"] = {
        way: {size: [asdict(cost) for cost in some] for size, some in of.items()}
        for way, of in costs.items()
    }
    page = PAGE.format(
        **figures,
        small=sizes[0],
        large=sizes[1],
        minutes=CALL_SECONDS / 60,
        rate=CALL_RATE,
        rounds=rounds,
        table=_table(ways_cost),
        remark=_remark(ways_cost),
    )
    save(f"{machine_stem()}-archive", figures, page, out)


def _write(folder: Path, count: int) -> None:
    folder.mkdir()
    spoken = soxr.resample(recording(), RATE, CALL_RATE)
    call = np.tile(spoken, CALL_SECONDS * CALL_RATE // len(spoken) + 1)
    call = call[: CALL_SECONDS * CALL_RATE]
    for n in range(count):
        noise = np.random.default_rng(n).normal(0, 1e-3, len(call))
        soundfile.write(folder / f"{n:04}.wav", call + noise, CALL_RATE, "PCM_16")


def _run(folder: Path, options: list[str], out: Path) -> Cost:
    target = out if "ray" in options else out.with_suffix(".csv")
    mark = uuid.uuid4().hex
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeser", "analyze", str(folder), "--out", str(target), *options],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "EDGESER_BENCH_MARK": mark},
    )
    cpu = _Cpu(mark)
    while process.poll() is None:
        time.sleep(EVERY)
        cpu.look()
    elapsed = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"edgeser analyze ended with {process.returncode}")
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    return Cost(elapsed, cpu.total)


class _Cpu:
    """CPU time of all processes with a mark in their environment, including those that ended."""

    def __init__(self, mark: str) -> None:
        self._mark = f"EDGESER_BENCH_MARK={mark}".encode()
        self._ours: dict[str, bool] = {}
        self._ticks: dict[str, int] = {}

    def look(self) -> None:
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                self._look_at(place)

    def _look_at(self, place: Path) -> None:
        if not self._ours.get(place.name):
            self._ours[place.name] = self._mark in (place / "environ").read_bytes()
        if self._ours[place.name]:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            self._ticks[place.name] = int(fields[11]) + int(fields[12])

    @property
    def total(self) -> float:
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")


def _figures(of: dict[int, list[Cost]], small: int, large: int) -> dict[str, float]:
    cpu = {size: statistics.median(cost.cpu for cost in of[size]) for size in of}
    hour = (cpu[large] - cpu[small]) / ((large - small) * CALL_SECONDS / 3600)
    return {
        "cpu_an_hour": hour,
        "start_cpu": max(0.0, cpu[small] - small * CALL_SECONDS / 3600 * hour),
        "core_hours": HOURS * hour / 3600,
    }


def _table(ways: Mapping[str, Mapping[str, float]]) -> str:
    head = f"| | to start | for an hour of audio | for {HOURS:,} hours |"
    lines = [
        f"| {way} | {of['start_cpu']:.1f} s | {of['cpu_an_hour']:.1f} s "
        f"| {of['core_hours']:.0f} core-hours |"
        for way, of in ways.items()
    ]
    return "\n".join([head, "|---|---|---|---|", *lines])


def _remark(ways: Mapping[str, Mapping[str, float]]) -> str:
    most = max(of["core_hours"] for of in ways.values())
    return (
        f"So {HOURS:,} hours of such calls take {most:.0f} core-hours of this processor at most: "
        f"{60 * most / 32:.0f} minutes of a machine with 32 such cores."
    )


if __name__ == "__main__":
    typer.run(main)
