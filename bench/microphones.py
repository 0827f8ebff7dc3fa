"""Number of live microphones that a machine can serve: latency at the pace of real time.

    python -m bench.microphones

A crowd of clients (``bench.crowd``) sends 16-bit audio in real time, in messages of 100 ms, at
different offsets. The number of clients increases until the 99th percentile of the latency exceeds
one hop. The clients run on the same cores; the page states their CPU time.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

import edgeser
from bench.capacity import serving
from bench.crowd import Crowd, CrowdStats, family
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE
from edgeser.cores import cores
from edgeser.native import kernels

MESSAGE_SECONDS = 0.1
BEGIN = 3.2
"""Seconds within which all clients begin: the least common multiple of a message and a frame."""
WARM_UP = 6.0  # seconds at the start of a run that are not measured
WITNESSES = 50
PAGE = """\
# Microphones at the pace of real time

edgeser {version} on {machine}, {cores} cores, kernels for {simd}, {system}, Python {python};
{date}. The machine {shared}; its load was {load_before:.1f} before. `--workers {workers}`. Each
client sends 16-bit audio at {rate} Hz in messages of 100 ms, in real time, for {seconds:g} s after
a warm-up, and requests `frames=spoken` in binary. All clients run in one process on the same cores;
the table has the CPU time of both. They begin at random moments within {begin:g} s. If all began
within 100 ms, their frames would always be due together: the work of 128 ms in 100 ms, then a
pause.

Latency is measured by {witnesses} clients that get all frames: from the time when the message with
a frame's last sample was due, to the arrival of the frame. *Late* is the delay of the clients' own
messages, 99th percentile. A frame is due every {hop:.0f} ms.

{tables}

Made by `python -m bench.microphones`.
"""


@dataclass(frozen=True)
class Scenario:
    """The share of speaking clients, and options of the server."""

    name: str
    speaking: float
    """Share of the clients that send speech; the others send a quiet room."""
    options: tuple[str, ...] = ()
    """Of ``edgeser serve``."""
    apart: bool = True
    """Whether clients begin at random moments."""


INT8, QUIET = ("--precision", "int8"), ("--skip-quiet",)
SCENARIOS = (
    Scenario("Everybody speaks", 1.0),
    Scenario("Everybody speaks, `--precision int8`", 1.0, INT8),
    Scenario("One in ten speaks", 0.1),
    Scenario("One in ten speaks, `--skip-quiet`", 0.1, QUIET),
    Scenario("One in ten speaks, `--skip-quiet --precision int8`", 0.1, (*QUIET, *INT8)),
    Scenario("Everybody speaks, `--precision int8`, all begin at once", 1.0, INT8, apart=False),
    Scenario("One in ten speaks, `--skip-quiet`, all begin at once", 0.1, QUIET, apart=False),
)


def measure(scenario: Scenario, clients: int, seconds: float, *options: str) -> CrowdStats:
    """Measurements with this number of clients."""
    with serving(*options, *scenario.options) as (address, pid):
        talkers = round(scenario.speaking * clients)
        crowd = Crowd(
            address,
            talkers,
            clients - talkers,
            seconds=MESSAGE_SECONDS,
            within=BEGIN if scenario.apart else 0.0,
            query=f"rate={RATE}&frames=spoken&encoding=binary",
            witnesses=min(WITNESSES, clients),
        )
        try:
            return crowd.talk(WARM_UP, seconds, family(pid))
        finally:
            crowd.close()


def in_time(stats: CrowdStats) -> bool:
    """Whether all audio was processed, and 99 % of the frames arrived within one hop."""
    sent = stats.clients * stats.seconds
    kept_up = not stats.lost and stats.heard > 0.98 * sent
    return kept_up and stats.p99_ms <= 1000 * edgeser.load().hop


def search(
    scenario: Scenario, counts: list[int], seconds: float, *options: str
) -> list[CrowdStats]:
    """Measures with increasing numbers of clients, until frames are late."""
    results: list[CrowdStats] = []
    for clients in counts:
        results.append(measure(scenario, clients, seconds, *options))
        typer.echo(f"{scenario.name}: {row(results[-1])}")
        if not in_time(results[-1]):
            break
    return results


HEAD = (
    "| clients | p50, ms | p99, ms | late, ms | server, cores | clients, cores "
    "| server, ms per client-second |\n|---|---|---|---|---|---|---|"
)


def row(stats: CrowdStats) -> str:
    """One line of a table."""
    pace = stats.heard / stats.seconds / 1000
    server, clients = pace * stats.milliseconds, pace * stats.clients_milliseconds
    return (
        f"| {stats.clients:,} | {stats.p50_ms:.1f} | {stats.p99_ms:.1f} | {stats.late_p99_ms:.1f} "
        f"| {server:.2f} | {clients:.2f} | {stats.milliseconds:.2f} |"
    )


def table(scenario: Scenario, results: list[CrowdStats]) -> str:
    """A scenario's part of the page."""
    most = max((stats.clients for stats in results if in_time(stats)), default=0)
    lost = sum(stats.lost for stats in results)
    lines = [f"## {scenario.name}", "", HEAD, *map(row, results), ""]
    verdict = f"In time up to **{most:,} clients**." if most else "Late already with these clients."
    lines.append(verdict + (f" Lost: {lost}." if lost else ""))
    return "\n".join(lines)


def main(
    counts: Annotated[str, typer.Option(help="Numbers of clients, comma-separated.")] = (
        "250,500,750,1000,1250,1500,1750,2000,2500,3000"
    ),
    seconds: Annotated[
        float, typer.Option(min=1.0, help="Seconds of audio from each client.")
    ] = 10.0,
    workers: Annotated[int, typer.Option(min=0, help="Same as in edgeser serve.")] = 0,
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Measures with more and more clients until frames are late; writes a page and its figures."""
    workers = workers or cores()
    before = os.getloadavg()[0]
    steps = [int(count) for count in counts.split(",")]
    results = {
        scenario: search(scenario, steps, seconds, "--workers", str(workers))
        for scenario in SCENARIOS
    }
    about = {
        **facts(shared),
        "simd": kernels().simd_levels()[0],
        "workers": workers,
        "rate": RATE,
        "seconds": seconds,
        "begin": BEGIN,
        "witnesses": WITNESSES,
        "load_before": before,
    }
    text = PAGE.format(
        **about,
        hop=1000 * edgeser.load().hop,
        tables="\n\n".join(table(scenario, found) for scenario, found in results.items()),
    )
    figures = {
        scenario.name: [asdict(stats) for stats in found] for scenario, found in results.items()
    }
    save(f"{machine_stem()}-microphones", {**about, "rooms": figures}, text, out)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
