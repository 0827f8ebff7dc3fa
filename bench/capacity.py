"""Capacity of ``edgeser serve``: CPU time per microphone, with several formats.

    python -m bench.capacity

A crowd of clients (``bench.crowd``) sends audio to the server. The result is the CPU time, user
and system, of all processes of the server per second of audio of one client. The clients send in
step, as fast as the server can process, so other programs on the machine change the elapsed time
but not the amount of work. They still affect caches and shared hyperthreads, so the page states the
load.
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
from bench.crowd import Crowd, CrowdStats, family, quiet, resident_mib, speech
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE
from edgeser.cores import cores
from edgeser.native import kernels
from edgeser.serve.hub import TOGETHER_SECONDS

WARM_UP = 3.0  # seconds at the start of a run that are not measured
PLANNED_LOAD = 0.6
"""Share of a core to plan for: the rest is for bursts and simultaneous reconnections."""
MICROPHONES = (10, 100, 1_000, 10_000)
PAGE = """\
# CPU time per microphone

edgeser {version} on {machine}, {cores} cores, kernels for {simd}, {system}, Python {python};
{date}. The machine {shared}; its load was {load_before:.1f} before and {load_after:.1f} after, of
{cores} cores. `--workers {workers}`, `--precision {precision}`; {clients} clients per worker. They
send 16-bit audio at {rate} Hz in step, as fast as the server can process it: {seconds:g} s each,
after a warm-up.

*Server* is the CPU time, user and system, of all processes of the server per second of audio of one
client, in milliseconds: 1 ms is a thousandth of a core. *Clients* is the CPU time of the crowd
itself. Streams with a complete hop share a batch: {clients} is also the mean batch of a worker with
{alike:,.0f} clients at the pace of real time, where steps start 8 ms apart. The figure for short
messages is too low: in step, several messages arrive together and are read at once, but in real
time each one wakes the server.

{table}

The model alone, without a server, with sixteen streams in a batch, takes {speech:.2f} ms for
speech, {quiet:.2f} ms for a quiet room, and {skipped:.2f} ms for a quiet room with `--skip-quiet`.

## Cores needed

Number of cores like these, at a load of {load:.0%}, by number of microphones:

{plan}

Memory: {base:.0f} MiB per worker, and {each:.2f} MiB per client.

Made by `python -m bench.capacity`.
"""


@dataclass(frozen=True)
class Workload:
    """A kind of clients, and options of the server."""

    name: str
    query: str
    """Of the clients' URL."""
    message_seconds: float
    speaking: float
    """Share of the clients that send speech; the others send a quiet room."""
    options: tuple[str, ...] = ()
    """Of the server."""


SPOKEN = "frames=spoken&encoding=binary"
WORKLOADS = (
    Workload("20 ms messages, JSON", "encoding=json", 0.02, 1.0),
    Workload("100 ms messages, JSON", "encoding=json", 0.1, 1.0),
    Workload("100 ms messages, binary", "encoding=binary", 0.1, 1.0),
    Workload("100 ms messages, only utterances", "frames=none", 0.1, 1.0),
    Workload("one in ten speaks, 100 ms, binary", "encoding=binary", 0.1, 0.1),
    Workload("one in ten speaks, 100 ms, `frames=spoken`", SPOKEN, 0.1, 0.1),
    Workload("the same, `--skip-quiet`", SPOKEN, 0.1, 0.1, ("--skip-quiet",)),
)


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, int]]:
    """A server in a separate process: its address and process id."""
    command = [sys.executable, "-m", "edgeser", "serve", "--port", "0", "--json"]
    command += ["--connections", "4096", "--per-address", "4096", *options]
    # No limit on speed, and long idle times: all clients connect before the first one sends.
    command += ["--speed", "1000", "--messages", "100000", "--idle", "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["address"], process.pid
        finally:
            process.terminate()


def measure(
    workload: Workload, clients: int, seconds: float, *options: str
) -> tuple[CrowdStats, float, float]:
    """Measurements of a crowd, and the server's memory without and with it, in MiB."""
    with serving(*options, *workload.options) as (address, pid):
        empty = resident_mib(family(pid))
        talkers = round(workload.speaking * clients)
        crowd = Crowd(
            address,
            talkers,
            clients - talkers,
            seconds=workload.message_seconds,
            query=f"rate={RATE}&{workload.query}",
            witnesses=4,
        )
        try:
            stats = crowd.talk_in_step(WARM_UP, seconds, family(pid))
            if stats.lost:
                raise RuntimeError(
                    f"the server disconnected {stats.lost} clients: {crowd.endings()}"
                )
            return stats, empty, resident_mib(family(pid))
        finally:
            crowd.close()


def model_milliseconds(
    precision: str, speaks: bool, every_hop: bool = True, streams: int = 16, hops: int = 60
) -> float:
    """CPU time of the model alone, in ms per second of audio of a stream; the best of three."""
    model = edgeser.load(precision=precision)  # type: ignore[arg-type]
    sound = speech() if speaks else quiet()
    size = round(model.hop * RATE)
    costs = []
    for _ in range(3):
        pool = model.pool()
        inputs = [
            (edgeser.Utterances(model, RATE, every_hop=every_hop), np.roll(sound, -7919 * place))
            for place in range(streams)
        ]
        began = time.process_time()
        for hop in range(hops):
            at = hop * size % (len(sound) - size)
            pool.hear({session: samples[at : at + size] for session, samples in inputs})
        costs.append((time.process_time() - began) / (streams * hops * model.hop))
    return 1000 * min(costs)


def main(
    clients: Annotated[int, typer.Option(min=1, help="Clients per worker.")] = 64,
    seconds: Annotated[
        float, typer.Option(min=1.0, help="Seconds of audio from each client.")
    ] = 10.0,
    workers: Annotated[int, typer.Option(min=0, help="Same as in edgeser serve.")] = 0,
    precision: Annotated[str, typer.Option(help="Same as in edgeser serve.")] = "float32",
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Measures the CPU time per microphone; writes a page and its figures."""
    workers = workers or cores()
    options = ("--workers", str(workers), "--precision", precision)
    before = os.getloadavg()[0]
    seen, rows = {}, ["| clients | server, ms | clients, ms |", "|---|---|---|"]
    plan = [
        "| microphones | " + " | ".join(f"{n:,}" for n in MICROPHONES) + " |",
        "|---" * (1 + len(MICROPHONES)) + "|",
    ]
    base = each = 0.0
    for workload in WORKLOADS:
        stats, empty, full = measure(workload, clients * workers, seconds, *options)
        base, each = empty / workers, (full - empty) / (clients * workers)
        cost = stats.milliseconds
        rows.append(f"| {workload.name} | {cost:.2f} | {stats.clients_milliseconds:.2f} |")
        needed = [f"{n * cost / 1000 / PLANNED_LOAD:.2g}" for n in MICROPHONES]
        plan.append(f"| {workload.name} | " + " | ".join(needed) + " |")
        seen[workload.name] = asdict(stats)
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
        load=PLANNED_LOAD,
        base=base,
        each=each,
        alike=round(clients * edgeser.load().hop / TOGETHER_SECONDS, -2),
    )
    figures = {**about, "model_ms": model, "ways": seen}
    save(f"{machine_stem()}-capacity", figures, text, out)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
