"""Measures the effect of a malicious client on others: lost frames, and latency.

    python -m bench.abuse

An ordinary client, in this process, sends 20 ms of speech every 20 ms and records when its frames
arrive: first alone, then with an attacker, a separate process that sends as fast as the server
reads. An attacker may cost at most 10 % of the frames, and add 50 ms to the 99th percentile.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import numpy as np
import typer

import edgeser
from bench.record import FOLDER, facts, machine_stem, save
from bench.serve import Client, server
from bench.sound import RATE, recording
from bench.wire import masked
from edgeser.serve.config import Limits

MOST_LOST, MOST_LATER_MS = 0.1, 50.0
PAGE = """\
# `edgeser serve` under attack

edgeser {version} on {machine}, {cores} cores, {system}, Python {python}; {date}. The machine
{shared}. The server has its default limits.

An ordinary client sends 16-bit speech at {rate} Hz in messages of 20 ms, at real-time pace, for
{seconds:g} s alone, and for the same time together with each attacker, who sends as fast as the
server reads. *Frames* is the share of the expected frames that arrived. Latency is the time from
when the message with a frame's last sample was due, to the arrival of the frame, in milliseconds.

{table}

Limits: an attacker may cost {lost:.0%} of the frames and {later:g} ms of the 99th percentile.

Made by `python -m bench.abuse`.
"""


@dataclass(frozen=True)
class Seen:
    """What the ordinary client received."""

    share: float
    """Frames that arrived, as a share of those expected."""
    p50_ms: float
    p99_ms: float


def watch(url: str, seconds: float) -> Seen:
    """Runs an ordinary client for this time."""
    sound = (recording() * 32767).astype(np.int16)

    async def talk() -> Client:
        begin = time.perf_counter() + 0.2
        client = Client(f"{url}/v1/stream?rate={RATE}", sound, RATE, begin)
        with suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(client.run(begin + seconds), 2 * seconds + 10)
        return client

    waits = [wait for _, wait in asyncio.run(talk()).latencies]
    due = int(seconds / edgeser.load().hop) - 1
    if not waits:
        return Seen(0.0, 1000 * seconds, 1000 * seconds)
    late = 1000 * np.asarray(waits)
    p50, p99 = (float(np.quantile(late, q)) for q in (0.5, 0.99))
    return Seen(min(1.0, len(waits) / due), p50, p99)


def _flood(data: bytes, query: str = "rate=16000") -> Callable[[str, int], None]:
    """Sends the same data forever and reads the answers; reconnects when the connection ends."""

    def run(host: str, port: int) -> None:
        while True:
            with suppress(OSError), socket.create_connection((host, port)) as ours:
                ours.sendall(_request(host, port, query))
                ours.recv(1024)
                threading.Thread(target=_read, args=(ours,), daemon=True).start()
                while True:
                    ours.sendall(data)
            time.sleep(0.05)

    return run


def _many(kind: Callable[[str, int], None], count: int) -> Callable[[str, int], None]:
    """The same from so many connections at once."""

    def run(host: str, port: int) -> None:
        for _ in range(count - 1):
            threading.Thread(target=kind, args=(host, port), daemon=True).start()
        kind(host, port)

    return run


def _visits(host: str, port: int) -> None:
    """Comes, sends half a second of speech, leaves at the first answer, and comes again."""
    speech = masked(b"\x10\1\xf0\xfe" * 4_000)
    while True:
        with suppress(OSError), socket.create_connection((host, port), timeout=5) as ours:
            ours.sendall(_request(host, port, "rate=16000") + speech)
            ours.recv(4096)


def _request(host: str, port: int, query: str) -> bytes:
    return (
        f"GET /v1/stream?{query} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def _read(ours: socket.socket) -> None:
    with suppress(OSError):
        while ours.recv(65536):
            pass


def _requests(request: bytes, wait: bool) -> Callable[[str, int], None]:
    """Connects forever, each time with a request, complete or half."""

    def run(host: str, port: int) -> None:
        held: list[socket.socket] = []
        while True:
            with suppress(OSError):
                ours = socket.create_connection((host, port), timeout=2)
                ours.sendall(request)
                if wait:
                    _read(ours)
                    ours.close()
                else:
                    held.append(ours)
            if len(held) > 800:
                held.pop(0).close()

    return run


SPEECH = _flood(masked(b"\x10\1\xf0\xfe" * 160) * 20)
ATTACKS: dict[str, Callable[[str, int], None]] = {
    "empty pings": _flood(masked(b"", 9) * 20_000),
    "one-sample messages": _flood(masked(b"\0\1") * 20_000),
    "empty fragments": _flood(b"\x02\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 20_000),
    "speech as fast as it goes": SPEECH,
    "the same from 60 connections": _many(SPEECH, 60),
    "60 that come and go": _many(_visits, 60),
    "32 channels at 192 kHz": _flood(
        masked(bytes(128 * 1_920)), "rate=192000&format=float32&channels=32"
    ),
    "half requests": _requests(b"GET / HTTP/1.1\r\nHost: x\r\n", wait=False),
    "the page, again and again": _requests(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", wait=True),
}
"""Each gets a host and a port, and never returns."""


@contextmanager
def attack(kind: Callable[[str, int], None], address: str) -> Iterator[None]:
    """Runs an attacker within a ``with`` block."""
    parts = urlsplit(address)
    context = multiprocessing.get_context("fork")
    attacker = context.Process(target=kind, args=(parts.hostname, parts.port), daemon=True)
    attacker.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        attacker.kill()
        attacker.join()


def main(
    seconds: Annotated[float, typer.Option(min=1.0, help="Seconds for each attack.")] = 15.0,
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Runs all attacks; writes a page and figures. Fails if one costs too much."""
    rows = [
        "| beside | frames | p50 | p99 | frames alone | p99 alone | |",
        "|---|---|---|---|---|---|---|",
    ]
    figures, bad = {}, 0
    for name, kind in ATTACKS.items():
        with server("--connections", str(Limits().connections)) as (address, _):
            url = address.replace("http", "ws")
            alone = watch(url, seconds)
            with attack(kind, address):
                during = watch(url, seconds)
        well = (
            during.share >= (1 - MOST_LOST) * alone.share
            and during.p99_ms <= alone.p99_ms + MOST_LATER_MS
        )
        bad += not well
        figures[name] = {"alone": asdict(alone), "during": asdict(during), "well": well}
        rows.append(
            f"| {name} | {during.share:.0%} | {during.p50_ms:.1f} | {during.p99_ms:.1f} "
            f"| {alone.share:.0%} | {alone.p99_ms:.1f} | {'within' if well else '**beyond**'} |"
        )
        typer.echo(rows[-1])
    about = facts(shared)
    text = PAGE.format(
        **about,
        rate=RATE,
        seconds=seconds,
        table="\n".join(rows),
        lost=MOST_LOST,
        later=MOST_LATER_MS,
    )
    save(f"{machine_stem()}-abuse", {**about, "seconds": seconds, "attacks": figures}, text, out)
    raise typer.Exit(1 if bad else 0)


if __name__ == "__main__":
    typer.run(main)
