"""How many live microphones a machine holds: frames in time, at the pace of real time.

    python -m bench.microphones

A crowd of clients (``bench.crowd``) sends 16-bit audio as it would be spoken, in messages of
100 ms, each client at a moment of its own. Step by step there are more of them, until one frame in
a hundred comes later than the next one is due. They take part of the same cores; how much, is told.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

import edgeser
from bench.capacity import serving
from bench.crowd import Crowd, Told, family
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE
from edgeser.cores import cores
from edgeser.native import kernels

MESSAGE_SECONDS = 0.1
BEGIN = 3.2  # seconds in which all begin: only then do frames (128 ms) and messages meet again
WARM_UP = 6.0  # seconds of a run that do not count
WITNESSES = 50
PAGE = """\
# Microphones at the pace of real time

edgeser {version} on {machine}, {cores} cores, kernels for {simd}, {system}, Python {python};
{date}. The machine {shared}; its load was {load_before:.1f} before. `--workers {workers}`. Each
client sends 16-bit audio at {rate} Hz in messages of 100 ms, as it would be spoken, for
{seconds:g} s after a start that does not count, and asks for `frames=spoken` in binary. Clients are
in one process on the same cores, and what they took is told beside what the server took. They begin
at random moments within {begin:g} s. Where they all begin at once, within 100 ms, their frames are
due together ever after: the work of 128 ms comes in 100 ms, and then none for a while.

Latency is of {witnesses} clients that get all frames: from when the message with a frame's last
sample was due until the frame came. *Late* is how late the clients themselves sent, 99th
percentile. A frame comes every {hop:.0f} ms.

{tables}

Made by `python -m bench.microphones`.
"""


@dataclass(frozen=True)
class Room:
    """Who speaks, and how the server listens."""

    name: str
    speaking: float
    """Share of the clients where somebody speaks."""
    options: tuple[str, ...] = ()
    """Of ``edgeser serve``."""
    apart: bool = True
    """Whether clients begin at moments of their own."""


INT8, QUIET = ("--precision", "int8"), ("--skip-quiet",)
ROOMS = (
    Room("Everybody speaks", 1.0),
    Room("Everybody speaks, `--precision int8`", 1.0, INT8),
    Room("One in ten speaks", 0.1),
    Room("One in ten speaks, `--skip-quiet`", 0.1, QUIET),
    Room("One in ten speaks, `--skip-quiet --precision int8`", 0.1, (*QUIET, *INT8)),
    Room("Everybody speaks, `--precision int8`, all begin at once", 1.0, INT8, apart=False),
    Room("One in ten speaks, `--skip-quiet`, all begin at once", 0.1, QUIET, apart=False),
)


def hear(room: Room, clients: int, seconds: float, *options: str) -> Told:
    """What so many clients saw."""
    with serving(*options, *room.options) as (address, pid):
        talkers = round(room.speaking * clients)
        crowd = Crowd(
            address,
            talkers,
            clients - talkers,
            seconds=MESSAGE_SECONDS,
            within=BEGIN if room.apart else 0.0,
            query=f"rate={RATE}&frames=spoken&encoding=binary",
            witnesses=min(WITNESSES, clients),
        )
        try:
            return crowd.talk(WARM_UP, seconds, family(pid))
        finally:
            crowd.close()


def in_time(told: Told) -> bool:
    """Whether nearly all frames came before the next ones were due, of all that was said."""
    said = told.clients * told.seconds
    return not told.lost and told.heard > 0.98 * said and told.p99_ms <= 1000 * edgeser.load().hop


def search(room: Room, counts: list[int], seconds: float, *options: str) -> list[Told]:
    """More and more clients, until frames come late."""
    seen: list[Told] = []
    for clients in counts:
        seen.append(hear(room, clients, seconds, *options))
        typer.echo(f"{room.name}: {row(seen[-1])}")
        if not in_time(seen[-1]):
            break
    return seen


HEAD = (
    "| clients | p50, ms | p99, ms | late, ms | server, cores | clients, cores "
    "| server, ms a client-second |\n|---|---|---|---|---|---|---|"
)


def row(told: Told) -> str:
    """One line of a table."""
    pace = told.heard / told.seconds / 1000
    server, clients = pace * told.milliseconds, pace * told.clients_milliseconds
    return (
        f"| {told.clients:,} | {told.p50_ms:.1f} | {told.p99_ms:.1f} | {told.late_p99_ms:.1f} "
        f"| {server:.2f} | {clients:.2f} | {told.milliseconds:.2f} |"
    )


def table(room: Room, seen: list[Told]) -> str:
    """One room's part of the page."""
    most = max((told.clients for told in seen if in_time(told)), default=0)
    lost = sum(told.lost for told in seen)
    lines = [f"## {room.name}", "", HEAD, *map(row, seen), ""]
    said = f"In time up to **{most:,} clients**." if most else "Not even these were in time."
    lines.append(said + (f" Lost: {lost}." if lost else ""))
    return "\n".join(lines)


def main(
    counts: Annotated[str, typer.Option(help="How many clients, comma-separated.")] = (
        "250,500,750,1000,1250,1500,1750,2000,2500,3000"
    ),
    seconds: Annotated[float, typer.Option(min=1.0, help="Each.")] = 10.0,
    workers: Annotated[int, typer.Option(min=0, help="As of edgeser serve.")] = 0,
    shared: Annotated[
        bool, typer.Option("--shared", help="Say that others use the machine meanwhile.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Measure until frames come late; write a page and the figures."""
    workers = workers or cores()
    before = os.getloadavg()[0]
    steps = [int(count) for count in counts.split(",")]
    seen = {room: search(room, steps, seconds, "--workers", str(workers)) for room in ROOMS}
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
        tables="\n\n".join(table(room, told) for room, told in seen.items()),
    )
    rooms = {room.name: [asdict(told) for told in some] for room, some in seen.items()}
    save(f"{machine_stem()}-microphones", {**about, "rooms": rooms}, text, out)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
