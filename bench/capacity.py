"""How many microphones a machine serves: processor time of ``edgeser serve`` for each of them.

    python -m bench.capacity

A crowd of clients (``bench.crowd``) talks to it in several ways. What counts is the processor time,
user and system, of all of the server's processes for a second of one client's audio. The clients
speak in step, and no clock says how fast, so that others who use the machine change how long it
takes and not what there is to do. What they do change is the caches, and what a core does in a
second where two hyperthreads share it: so the load is named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import edgeser
from bench.crowd import Crowd, Told, family, quiet, resident_mib, speech
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE
from edgeser.cores import cores
from edgeser.native import kernels
from edgeser.serve.hub import TOGETHER_SECONDS

WARM_UP = 3.0  # seconds of a run that do not count
FULL = 0.6
"""Share of a core that is planned for: the rest is for bursts, and for who comes back at once."""
MICROPHONES = (10, 100, 1_000, 10_000)
PAGE = """\
# Processor time of a microphone

edgeser {version} on {machine}, {cores} cores, kernels for {simd}, {system}, Python {python};
{date}. The machine {shared}; its load was {load_before:.1f} before and {load_after:.1f} after, of
{cores} cores. `--workers {workers}`, `--precision {precision}`; {clients} clients for each worker.
They speak in step, as fast as they are heard: 16-bit audio at {rate} Hz, {seconds:g} s of each
after a start that does not count.

*Server* is processor time, user and system, of all of the server's processes for a second of audio
of one client, in milliseconds: 1 is a thousandth of a core. *Clients* is what the crowd took beside
it. Those who are due together share a batch of the model: {clients} are as many as become due
within the 8 ms between two steps where a worker has {alike:,.0f} clients at the pace of real time.
Short messages are flattered: in step several arrive together and are read at once, where at the
pace of real time each wakes the server.

{table}

The model by itself, sixteen streams in a batch, in a process without a network, takes
{speech:.2f} ms where somebody speaks, {quiet:.2f} ms where nobody does, and {skipped:.2f} ms there
with `--skip-quiet`.

## How many machines

For so many microphones, cores, with {full:.0%} of each in use; a machine has those of yours:

{plan}

Memory: {base:.0f} MiB for each worker, and {each:.2f} MiB for each client.

Made by `python -m bench.capacity`.
"""


@dataclass(frozen=True)
class Way:
    """How clients talk."""

    name: str
    query: str
    seconds: float
    """Of a message."""
    speaking: float
    """Share of the clients where somebody speaks."""
    options: tuple[str, ...] = ()
    """Of the server."""


WAYS = (
    Way("20 ms messages, JSON", "encoding=json", 0.02, 1.0),
    Way("100 ms messages, JSON", "encoding=json", 0.1, 1.0),
    Way("100 ms messages, binary", "encoding=binary", 0.1, 1.0),
    Way("100 ms messages, utterances alone", "frames=none", 0.1, 1.0),
    Way("one in ten speaks, 100 ms, binary", "encoding=binary", 0.1, 0.1),
    Way("one in ten speaks, 100 ms, `frames=spoken`", "frames=spoken&encoding=binary", 0.1, 0.1),
    Way("the same, `--skip-quiet`", "frames=spoken&encoding=binary", 0.1, 0.1, ("--skip-quiet",)),
)


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its address and process id."""
    command = [sys.executable, "-m", "edgeser", "serve", "--port", "0", "--json"]
    command += ["--connections", "4096", "--per-address", "4096", *options]
    # As fast as it goes, and as slowly: all must be there before the first one speaks.
    command += ["--speed", "1000", "--messages", "100000", "--idle", "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["address"], process.pid
        finally:
            process.terminate()


def measure(way: Way, clients: int, seconds: float, *options: str) -> tuple[Told, float, float]:
    """What a crowd saw of a server; its memory before and with it, in MiB."""
    with serving(*options, *way.options) as (address, pid):
        empty = resident_mib(family(pid))
        talkers = round(way.speaking * clients)
        crowd = Crowd(
            address,
            talkers,
            clients - talkers,
            seconds=way.seconds,
            query=f"rate={RATE}&{way.query}",
            witnesses=4,
        )
        try:
            told = crowd.talk_in_step(WARM_UP, seconds, family(pid))
            if told.lost:
                raise RuntimeError(f"the server left {told.lost} clients: {crowd.endings()}")
            return told, empty, resident_mib(family(pid))
        finally:
            crowd.close()


def model_milliseconds(
    precision: str, speaks: bool, every_hop: bool = True, streams: int = 16, hops: int = 60
) -> float:
    """Processor time of the model alone, for a second of one stream; best of three."""
    model = edgeser.load(precision=precision)  # type: ignore[arg-type]
    sound = speech() if speaks else quiet()
    size = round(model.hop * RATE)
    took = []
    for _ in range(3):
        pool = model.pool()
        rooms = [edgeser.Utterances(model, RATE, every_hop=every_hop) for _ in range(streams)]
        own = [np.roll(sound, -7919 * place) for place in range(streams)]
        began = time.process_time()
        for hop in range(hops):
            at = hop * size % (len(sound) - size)
            pool.hear({room: s[at : at + size] for room, s in zip(rooms, own, strict=True)})
        took.append((time.process_time() - began) / (streams * hops * model.hop))
    return 1000 * min(took)


def main(
    clients: Annotated[int, typer.Option(min=1, help="For each worker.")] = 64,
    seconds: Annotated[float, typer.Option(min=1.0, help="Each.")] = 10.0,
    workers: Annotated[int, typer.Option(min=0, help="As of edgeser serve.")] = 0,
    precision: Annotated[str, typer.Option(help="As of edgeser serve.")] = "float32",
    shared: Annotated[
        bool, typer.Option("--shared", help="Say that others use the machine meanwhile.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Measure what a microphone costs; write a page and the figures."""
    workers = workers or cores()
    options = ("--workers", str(workers), "--precision", precision)
    before = os.getloadavg()[0]
    seen, rows = {}, ["| clients | server, ms | clients, ms |", "|---|---|---|"]
    plan = [
        "| microphones | " + " | ".join(f"{n:,}" for n in MICROPHONES) + " |",
        "|---" * (1 + len(MICROPHONES)) + "|",
    ]
    base = each = 0.0
    for way in WAYS:
        told, empty, full = measure(way, clients * workers, seconds, *options)
        base, each = empty / workers, (full - empty) / (clients * workers)
        cost = told.milliseconds
        rows.append(f"| {way.name} | {cost:.2f} | {told.clients_milliseconds:.2f} |")
        needed = [f"{n * cost / 1000 / FULL:.2g}" for n in MICROPHONES]
        plan.append(f"| {way.name} | " + " | ".join(needed) + " |")
        seen[way.name] = asdict(told)
        typer.echo(rows[-1])
    model = {
        "speech": model_milliseconds(precision, True),
        "quiet": model_milliseconds(precision, False),
        "skipped": model_milliseconds(precision, False, every_hop=False),
    }
    about = {
        **facts(shared),
        "simd": kernels().simd_levels()[0],
        "workers": workers,
        "precision": precision,
        "clients": clients,
        "rate": RATE,
        "seconds": seconds,
        "load_before": before,
        "load_after": os.getloadavg()[0],
    }
    text = PAGE.format(
        **about,
        table="\n".join(rows),
        plan="\n".join(plan),
        **model,
        full=FULL,
        base=base,
        each=each,
        alike=round(clients * edgeser.load().hop / TOGETHER_SECONDS, -2),
    )
    figures = {**about, "model_ms": model, "ways": seen}
    save(f"{machine_stem()}-capacity", figures, text, out)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
