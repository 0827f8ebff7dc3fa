"""Checks that ``edgeser serve`` works as well after an hour of visitors as at first.

    python -m bench.visitors --minutes 60

Two servers run all the time. One has a single process and is never restarted. The other has two
workers; a worker is killed every two minutes, and the server is restarted every ten. Both have
ordinary clients, which send at the pace of real time for seconds; clients that vanish during
speech; one that never reads; incomplete requests; and requests for the page.

The command exits with 1 if an ordinary client missed anything, except because of a restart; if
memory, open files or connections grew; if a log has a traceback; or if a restart took longer than a
minute.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import signal
import socket
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

import edgeser
from bench.crowd import connect, family, speech
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE
from bench.watched import Log, Server
from bench.wire import masked

KILL_SECONDS, RESTART_SECONDS = 120.0, 600.0
MESSAGE_SECONDS = 0.02

PAGE = """\
# The server and its visitors

edgeser {version} on {machine}, {cores} cores, {system}, Python {python}; {date}. The machine
{shared}. {minutes:g} minutes. Clients and servers share it.

| | one process | two workers, killed and restarted |
|---|---|---|
{rows}

An ordinary client sends speech in real time for 2 to 30 s, then ends its stream and waits for the
remaining results. It *received everything* if it got all frames, its last utterance and a regular
close. Latency is the time from when the message with a frame's last sample was due, to the arrival
of the frame. Memory and open files: growth of all processes of a server after the first third of
the time. One of the two workers is killed every {kill:g} s, and the whole server is restarted every
{restart:g} s.

Made by `python -m bench.visitors --minutes {minutes:g}`.
"""


async def ordinary(server: Server, sound: bytes, chance: random.Random, hop: int) -> None:
    """One visit: sends at the pace of real time, and ends or vanishes."""
    from websockets.asyncio.client import connect as connected
    from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

    log, size = server.log, 2 * round(MESSAGE_SECONDS * RATE)
    messages = round(chance.uniform(2, 30) / MESSAGE_SECONDS)
    vanishes, start = chance.random() < 0.3, chance.randrange(len(sound) // size)
    came, frames, ended, code, late = time.monotonic(), 0, False, 0, []

    async def listen(socket: Any) -> None:
        nonlocal frames, ended
        async for text in socket:
            event, now = json.loads(text), time.perf_counter()
            if event["type"] == "frame":
                frames += 1
                last = round(event["time"] * RATE) - 1
                late.append(1000 * (now - begin - (last * 2 // size) * MESSAGE_SECONDS))
            ended = ended or event["type"] == "utterance"
            if event["type"] == "error":
                raise ValueError(event["message"])

    problem = ""
    listening: asyncio.Task[None] | None = None
    try:
        url = f"{server.address.replace('http', 'ws')}/v1/stream?rate={RATE}"
        async with connected(url, compression=None, open_timeout=30, close_timeout=30) as socket:
            assert json.loads(await socket.recv())["type"] == "ready"
            begin = time.perf_counter()
            listening = asyncio.create_task(listen(socket))
            for number in range(messages):
                await asyncio.sleep(begin + number * MESSAGE_SECONDS - time.perf_counter())
                at = (start + number) * size % (len(sound) - size)
                await socket.send(sound[at : at + size])
            if vanishes:
                listening.cancel()
                socket.transport.abort()
                log.vanished += 1
                return
            await socket.send('{"type": "end"}')
            await asyncio.wait_for(listening, 60)
            code = socket.close_code or 0
    except (OSError, ConnectionClosed, InvalidMessage, InvalidStatus, ValueError) as failure:
        problem = repr(failure)
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)  # errors are recorded above
    if came < server.troubled_until and (problem or code != 1000):
        log.taken_along += 1
        return
    due = math.ceil(messages * size / 2 / hop)  # the end completes the last hop
    if problem or code != 1000 or frames != due:
        log.incomplete.append(f"{frames} of {due} frames, code {code} {problem}")
    log.ordinary += 1
    log.late_ms += late


def never_reads(server: Server, seconds: float) -> None:
    """Sends as much as the server accepts, and reads nothing, until it disconnects."""
    message, rest, until = masked(bytes(3200)), b"", time.monotonic() + seconds
    with suppress(OSError), connect(server.address, f"rate={RATE}") as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while time.monotonic() < until:
            with suppress(BlockingIOError):
                rest = rest or message
                rest = rest[deaf.send(rest) :]
            time.sleep(0.02)
        return
    if time.monotonic() > server.troubled_until:
        server.log.slow += 1


def half_a_request(server: Server, held: list[socket.socket]) -> None:
    """Sends an incomplete request."""
    port = int(server.address.rpartition(":")[2])
    with suppress(OSError):
        held.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        held[-1].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    if len(held) > 20:
        held.pop(0).close()


async def visits(server: Server, sound: bytes, seed: int, until: float) -> None:
    """One ordinary client after another."""
    chance = random.Random(seed)  # noqa: S311
    hop = round(edgeser.load().hop * RATE)
    while time.monotonic() < until:
        if time.monotonic() < server.troubled_until:
            await asyncio.sleep(0.5)
            continue
        await ordinary(server, sound, chance, hop)


async def others(server: Server, until: float) -> None:
    """All other clients."""
    held: list[socket.socket] = []
    while time.monotonic() < until:
        await asyncio.sleep(1.0)
        half_a_request(server, held)
        await asyncio.to_thread(server.ask, "/")
        await asyncio.to_thread(server.ask, "/metrics")
        server.log.requests += 3
    for one in held:
        one.close()


async def deaf(server: Server, until: float) -> None:
    """Clients that never read, one after another."""
    while (rest := until - time.monotonic()) > 0:
        await asyncio.to_thread(never_reads, server, rest)
        await asyncio.sleep(1.0)


async def growth(server: Server, seconds: float, until: float) -> None:
    """The server's growth after a third of the time; clients come and go meanwhile."""
    await asyncio.sleep(seconds / 3)
    before = []
    for _ in range(10):
        before.append(server.memory_and_files())
        await asyncio.sleep(1.0)
    await asyncio.sleep(until - time.monotonic() - 1.0)
    mib, files = server.memory_and_files()
    server.log.growth_mib = mib - max(looked for looked, _ in before)
    server.log.growth_files = files - max(looked for _, looked in before)


async def trouble(server: Server, until: float) -> None:
    """Kills a worker, or restarts the server; measures the recovery."""
    chance, begun = random.Random(1), time.monotonic()  # noqa: S311
    while (rest := until - time.monotonic()) > KILL_SECONDS:
        await asyncio.sleep(min(KILL_SECONDS, rest))
        server.troubled_until = float("inf")
        if time.monotonic() - begun > RESTART_SECONDS:
            begun = time.monotonic()
            await asyncio.to_thread(server.end)
            server.begin()
            server.log.restarts += 1
        else:
            os.kill(chance.choice(family(server.pid)[1:]), signal.SIGKILL)
            server.log.kills += 1
            await asyncio.sleep(0.5)
        server.log.recovery.append(await server.until_well())
        server.troubled_until = time.monotonic()


async def run(seconds: float, folder: Path, clients: int) -> tuple[Log, Log]:
    """Runs the hour; returns the logs of both servers."""
    steady = Server(Log(), folder / "one")
    shaken = Server(Log(), folder / "two", "--workers", "2")
    try:
        await _run(seconds, steady, shaken, clients)
    finally:
        for server in (steady, shaken):
            server.leave_nothing()
    return steady.log, shaken.log


async def _run(seconds: float, steady: Server, shaken: Server, clients: int) -> None:
    sound = speech().tobytes()
    servers = (steady, shaken)
    for server in servers:
        server.begin()
        await server.until_well()
    until = time.monotonic() + seconds
    tasks = [growth(steady, seconds, until), trouble(shaken, until)]
    for server in servers:
        tasks += [visits(server, sound, seed, until) for seed in range(clients)]
        tasks += [others(server, until), deaf(server, until)]
    await asyncio.gather(*tasks)
    for server in servers:
        await asyncio.sleep(12.0)  # incomplete handshakes are ended after 10 s
        told = await asyncio.to_thread(server.ask, "/metrics") or ""
        for name in ("edgeser_connections ", "edgeser_waiting "):
            line = next((x for x in told.splitlines() if x.startswith(name)), f"{name}99")
            # The request for the metrics is itself a waiting connection.
            server.log.left += int(float(line.removeprefix(name))) - (name == "edgeser_waiting ")
        await asyncio.to_thread(server.end)
        said = server._output.read_text()
        server.log.log_bytes = len(said)
        server.log.tracebacks = said.count("Traceback")


def row(name: str, *cells: object) -> str:
    """A row of a table."""
    return f"| {name} | {' | '.join(map(str, cells))} |"


def table(logs: tuple[Log, Log]) -> str:
    """The logs side by side."""
    p50, p99 = ([f"{np.quantile(log.late_ms, q):.1f}" for log in logs] for q in (0.5, 0.99))
    rows = [
        row("ordinary clients", *(f"{log.ordinary:,}" for log in logs)),
        row("of them received everything", *(f"{x.ordinary - len(x.incomplete):,}" for x in logs)),
        row("frame's latency, p50, ms", *p50),
        row("frame's latency, p99, ms", *p99),
        row("disconnected during speech", *(f"{log.vanished:,}" for log in logs)),
        row("never read, and were cut off", *(log.slow for log in logs)),
        row("disconnected by a restart", *(log.taken_along for log in logs)),
        row("pages, figures and half requests", *(f"{log.requests:,}" for log in logs)),
        row("workers killed", "-", logs[1].kills),
        row("servers restarted", "-", logs[1].restarts),
        row("longest recovery, s", "-", f"{max(logs[1].recovery, default=0):.1f}"),
        row("memory, MiB", f"{logs[0].growth_mib:+.1f}", "restarted"),
        row("open files", f"{logs[0].growth_files:+d}", "restarted"),
        row("clients left at the end", *(log.left for log in logs)),
        row("log, bytes", *(log.log_bytes for log in logs)),
        row("passed", *("no" if log.problems() else "yes" for log in logs)),
    ]
    return "\n".join(rows)


def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="Total duration.")] = 60.0,
    clients: Annotated[int, typer.Option(min=1, help="Ordinary clients of each server.")] = 4,
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Simulates visitors; writes a page and figures. Fails if a check failed."""
    with TemporaryDirectory() as folder:
        logs = asyncio.run(run(60 * minutes, Path(folder), clients))
    about = facts(shared)
    page = PAGE.format(
        **about, minutes=minutes, rows=table(logs), kill=KILL_SECONDS, restart=RESTART_SECONDS
    )
    kept = [{**asdict(log), "late_ms": None} for log in logs]
    save(f"{machine_stem()}-visitors", {**about, "minutes": minutes, "servers": kept}, page, out)
    typer.echo(page)
    problems = [problem for log in logs for problem in log.problems()]
    for problem in problems:
        typer.echo(f"DID NOT HOLD: {problem}", err=True)
    raise typer.Exit(1 if problems else 0)


if __name__ == "__main__":
    typer.run(main)
