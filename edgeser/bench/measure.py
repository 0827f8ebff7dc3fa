"""Latency, deadlines, throughput and memory of streams, as a device would see them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.model import Model

Samples = npt.NDArray[np.float32]
CHUNK_SECONDS = 0.02
SETTLING_STEPS = 20
"""Steps before measuring: caches, clocks and lazy initialisation settle."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the last sample of a hop being there to its frame being there."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    worst: float
    jitter: float
    """Standard deviation."""
    missed: int
    """Hops whose frame came after the next hop was complete."""

    @staticmethod
    def of(seconds: list[float], deadline: float) -> Latency:
        """Of one latency a hop; ``deadline`` in seconds."""
        ms = 1000 * np.asarray(seconds)
        p50, p90, p99, p999 = (float(v) for v in np.percentile(ms, [50, 90, 99, 99.9]))
        missed = int((ms > 1000 * deadline).sum())
        return Latency(len(ms), p50, p90, p99, p999, float(ms.max()), float(ms.std()), missed)


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one core gets through, flat out."""

    streams: int
    """Stepped together."""
    seconds_an_hour: float
    """Seconds of computing for an hour of audio of one stream."""
    in_real_time: float
    """Streams that one core could keep up with."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured; ``latencies`` are the raw ones, in milliseconds."""

    edgeser: str
    machine: str
    backend: str
    simd: str
    precision: str
    model: str
    minutes: float
    pace: str
    cold_start_ms: float
    """A new process: import, load, first frame."""
    import_ms: float
    """Of it, the import alone."""
    latency: Latency
    real_time_factor: float
    """Computing time by audio time, of one stream at this pace."""
    throughput: tuple[Throughput, ...]
    memory_mib: tuple[float, ...]
    """Resident memory of this process: before, and at ten moments while it ran."""
    state_bytes: int
    latencies: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def speech_like(seconds: float, rate: int) -> Samples:
    """Sound with pitch, pauses and noise; its content does not affect the cost."""
    t = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    loud = np.clip(np.sin(2 * np.pi * 1.7 * t), 0, None)
    noise = np.random.default_rng(0).normal(0, 0.003, t.size)
    return (0.08 * voice * loud + noise).astype(np.float32)


def paced(
    model: Model, minutes: float, flat_out: bool, progress: Callable[[float], object]
) -> tuple[list[float], list[float], float]:
    """One stream in chunks of 20 ms, as a microphone would bring them.

    At real-time pace the process sleeps between chunks, so that every step finds caches as cold as
    it will on the device. Returns the hops' latencies, memory and computing time (seconds, MiB).
    """
    rate = model.sample_rate
    chunk = round(CHUNK_SECONDS * rate)
    audio = speech_like(8.0, rate)
    stream = model.stream(rate)
    for start in range(SETTLING_STEPS):
        stream.process(audio[start * chunk : (start + 1) * chunk])
    stream.reset()
    latencies, memory, busy = [], [resident_mib()], 0.0
    chunks = max(1, round(60 * minutes / CHUNK_SECONDS))
    began = time.perf_counter()
    for i in range(chunks):
        due = began + (i + 1) * CHUNK_SECONDS
        if not flat_out:
            while (ahead := due - time.perf_counter()) > 0:
                time.sleep(ahead)
        at = i * chunk % (len(audio) - chunk)
        started = time.perf_counter()
        frames = stream.process(audio[at : at + chunk])
        end = time.perf_counter()
        busy += end - started
        if frames:
            latencies.append(end - (started if flat_out else due))
        if (i + 1) % max(1, chunks // 10) == 0:
            memory.append(resident_mib())
        if i % 50 == 0:
            progress((i + 1) / chunks)
    return latencies, memory, busy


def throughput(model: Model, streams: int, seconds: float = 2.0) -> Throughput:
    """Step ``streams`` of them together, flat out, for about ``seconds``."""
    pool = model.pool()
    rate, hop = model.sample_rate, round(model.hop * model.sample_rate)
    audio = speech_like(4.0, rate)
    members = [pool.stream(rate) for _ in range(streams)]
    hops, began = 0, 0.0
    for turn in range(1_000_000):
        at = turn * hop % (len(audio) - hop)
        pool.process(dict.fromkeys(members, audio[at : at + hop]))
        if turn == 2:  # settled
            began, hops = time.perf_counter(), 0
        hops += 1
        if turn > 4 and time.perf_counter() - began > seconds:
            break
    each = (time.perf_counter() - began) / (hops - 1) / streams
    return Throughput(streams, 3600 / model.hop * each, model.hop / each)


_COLD = """
import time
began = time.perf_counter()
import edgeser
imported = time.perf_counter()
import numpy as np
model = edgeser.load({path!r}, backend={backend!r}, precision={precision!r})
stream = model.stream(model.sample_rate)
frames = stream.process(np.zeros(round(model.hop * model.sample_rate), np.float32))
assert frames
print(imported - began, time.perf_counter() - began)
"""


def cold_start(
    path: str | None, precision: str = "float32", backend: str = "cpu", times: int = 5
) -> tuple[float, float]:
    """Milliseconds of import, and of import, load and first frame: medians of new processes."""
    rows = []
    for _ in range(times):
        done = subprocess.run(  # noqa: S603 - this Python, and a program of our own
            [sys.executable, "-c", _COLD.format(path=path, precision=precision, backend=backend)],
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append([1000 * float(part) for part in done.stdout.split()])
    imported, whole = np.median(rows, axis=0)
    return float(imported), float(whole)


def resident_mib() -> float:
    """Memory of this process that is in RAM, MiB; nan where the system does not say."""
    try:
        with Path("/proc/self/status").open(encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def to_json(report: Report) -> str:
    """The report as JSON; unknown values are null."""
    known = report.to_dict()
    known["memory_mib"] = [None if math.isnan(mib) else mib for mib in report.memory_mib]
    return json.dumps(known, allow_nan=False)
