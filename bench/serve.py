"""``edgeser serve`` under load: how many clients at real-time pace until frames are late.

    python -m bench.serve

Real WebSocket clients, in a process of their own, send 20 ms of speech every 20 ms, each with its
own phase, and record when each frame arrives. A frame's latency is from when the message with its
last sample was due until the frame arrived, so delays of the clients count, too. The number of
clients increases until the 99th percentile exceeds one hop. ``bench.capacity`` measures the CPU
time of a client.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import edgeser
from bench.crowd import cpu_seconds, family, resident_mib
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE, recording

MESSAGE_SECONDS = 0.02
WARM_UP = 3.0  # seconds at the start of a run that are not measured

PAGE = """\
# `edgeser serve` under load

edgeser {version} on {machine}, {cores} cores, {system}, Python {python}; {date}. The machine
{shared}. Clients and server share it. {decides} when somebody speaks (`--vad {vad}`);
`--workers {workers}`.

Each client sends 16-bit speech at {rate} Hz in messages of 20 ms, at real-time pace, for
{seconds:g} s after a warm-up. Latency is the time from when the message with a frame's last sample
was due, to the arrival of the frame, in milliseconds. CPU is the share of one core. *Late* is the
99th percentile of the delay of the clients' own messages: if large, the clients were too slow.

{table}

A frame is due every {hop:.0f} ms. The 99th percentile stays below that up to **{most} clients**.

Made by `python -m bench.serve`.
"""


@dataclass(frozen=True)
class Load:
    """Results with a number of clients."""

    clients: int
    frames: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    late_p99_ms: float
    """How late messages were sent."""
    server_cpu: float
    """Busy cores of the server."""
    client_cpu: float
    server_mib: float


@contextmanager
def server(*options: str) -> Iterator[tuple[str, int]]:
    """A server in its own process: its address and process id."""
    command = [sys.executable, "-m", "edgeser", "serve", "--port", "0", "--json"]
    command += ["--connections", "4096", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["address"], process.pid
        finally:
            process.terminate()


class Client:
    """One client of a run."""

    def __init__(self, url: str, sound: npt.NDArray[np.int16], rate: int, begin: float) -> None:
        self._url, self._sound, self._begin = url, sound, begin
        self._size = round(MESSAGE_SECONDS * rate)
        self._rate = rate
        self.latencies: list[tuple[float, float]] = []
        """Arrival time and latency of each frame, in seconds."""
        self.late: list[float] = []

    async def run(self, until: float) -> None:
        """Talks and listens until a time of ``time.perf_counter``."""
        from websockets.asyncio.client import connect

        async with connect(self._url, compression=None, max_queue=None) as socket:
            assert json.loads(await socket.recv())["type"] == "ready"
            listening = asyncio.create_task(self._listen(socket))
            message, begin = 0, max(self._begin, time.perf_counter())
            self._begin = begin
            while (due := begin + message * MESSAGE_SECONDS) < until:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                self.late.append(time.perf_counter() - due)
                at = message * self._size % (len(self._sound) - self._size)
                await socket.send(self._sound[at : at + self._size].tobytes())
                message += 1
            if listening.done():
                listening.result()  # raises its errors
            listening.cancel()

    async def _listen(self, socket: Any) -> None:
        async for text in socket:
            now, event = time.perf_counter(), json.loads(text)
            assert event["type"] != "error", event
            if event["type"] == "frame":
                last = round(event["time"] * self._rate) - 1  # sample of the frame
                sent = self._begin + last // self._size * MESSAGE_SECONDS
                self.latencies.append((now, now - sent))


def load(address: str, pid: int, clients: int, seconds: float, rate: int) -> Load:
    """Runs this number of clients for this time."""
    import soxr

    draw = np.random.default_rng(clients)

    sound = (soxr.resample(recording(), RATE, rate) * 32767).astype(np.int16)
    url = f"{address.replace('http', 'ws')}/v1/stream?rate={rate}"

    async def talk() -> tuple[list[Client], float, float, float]:
        start = time.perf_counter() + 0.5 + clients / 200
        everybody = [
            Client(url, np.roll(sound, draw.integers(len(sound))), rate, start + draw.random())
            for _ in range(clients)
        ]
        end = start + 1 + WARM_UP + seconds
        running = [asyncio.create_task(client.run(end)) for client in everybody]
        await asyncio.sleep(max(0.0, start + 1 + WARM_UP - time.perf_counter()))
        pids = family(pid)
        measured, before = time.perf_counter(), (cpu_seconds(pids), time.process_time())
        await asyncio.sleep(max(0.0, end - time.perf_counter() - 0.1))
        passed = time.perf_counter() - measured
        server_cpu = (cpu_seconds(pids) - before[0]) / passed
        client_cpu = (time.process_time() - before[1]) / passed
        await asyncio.gather(*running)
        return everybody, measured, server_cpu, client_cpu

    everybody, measured, server_cpu, client_cpu = asyncio.run(talk())
    latencies = [wait for c in everybody for when, wait in c.latencies if when > measured]
    wanted = clients * seconds / edgeser.load().hop
    if len(latencies) < 0.5 * wanted:
        latencies += [seconds] * round(wanted - len(latencies))  # frames that never arrived
    milliseconds = 1000 * np.asarray(latencies)
    return Load(
        clients=clients,
        frames=len(latencies),
        p50_ms=float(np.median(milliseconds)),
        p99_ms=float(np.quantile(milliseconds, 0.99)),
        worst_ms=float(milliseconds.max()),
        late_p99_ms=1000 * float(np.quantile([x for c in everybody for x in c.late], 0.99)),
        server_cpu=server_cpu,
        client_cpu=client_cpu,
        server_mib=resident_mib(family(pid)),
    )


def main(
    counts: Annotated[str, typer.Option(help="Numbers of clients, comma-separated.")] = (
        "1,8,32,64,128,192,256,384,512"
    ),
    seconds: Annotated[float, typer.Option(min=1.0, help="Seconds for each number.")] = 20.0,
    rate: Annotated[int, typer.Option(help="Sample rate of the clients, Hz.")] = RATE,
    vad: Annotated[str, typer.Option(help="Same as in edgeser serve.")] = "own",
    workers: Annotated[int, typer.Option(min=1, help="Same as in edgeser serve.")] = 1,
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Measures until frames are late; writes a page and figures."""
    hop, loads = 1000 * edgeser.load().hop, []
    for clients in map(int, counts.split(",")):
        with server("--vad", vad, "--workers", str(workers)) as (address, pid):
            loads.append(load(address, pid, clients, seconds, rate))
        typer.echo(loads[-1])
        if loads[-1].p99_ms > hop:
            break
    rows = ["| clients | p50 | p99 | worst | late | server CPU | clients' CPU | server MiB |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    rows += [
        f"| {x.clients} | {x.p50_ms:.1f} | {x.p99_ms:.1f} | {x.worst_ms:.0f} "
        f"| {x.late_p99_ms:.1f} | {x.server_cpu:.0%} | {x.client_cpu:.0%} | {x.server_mib:.0f} |"
        for x in loads
    ]
    most = max((x.clients for x in loads if x.p99_ms <= hop), default=0)
    about = facts(shared)
    text = PAGE.format(
        **about,
        decides="The model itself decides" if vad == "own" else "Silero VAD decides",
        vad=vad,
        workers=workers,
        rate=rate,
        seconds=seconds,
        table="\n".join(rows),
        hop=hop,
        most=most,
    )
    figures = {**about, "rate": rate, "seconds": seconds, "vad": vad, "workers": workers}
    loaded = {**figures, "loads": [asdict(x) for x in loads]}
    suite = "serve" if vad == "own" else f"serve-{vad}"
    suite += f"-{workers}" if workers > 1 else ""
    save(f"{machine_stem()}-{suite}", loaded, text, out)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
