"""Many clients of ``edgeser serve`` in one cheap process, so that mostly the server is measured.

A client is a plain socket and a position in a prepared ring of frames, so sending costs one system
call per message. The server's answers are read before every fifth message, and only counted;
a few *witnesses* are read immediately, and measure latency.
"""

from __future__ import annotations

import base64
import itertools
import os
import select
import socket
import time
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

import edgeser
from bench.sound import RATE, recording
from bench.wire import masked

TICKS = os.sysconf("SC_CLK_TCK")
QUIET_LEVEL = 8.0
"""Amplitude (of 32768) of the noise in a room without speech."""
CONNECT_SECONDS = 0.005
"""Time between two connecting clients: a server accepts 400 per second."""
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
READ_EVERY = 5
"""Messages that a client sends before it reads again, unless it is a witness."""
LISTEN_EVERY = 20
"""Number of clients that connect before the others answer the server's pings."""
FRAME_BYTES = 48 + 8 * len(edgeser.load().labels)
"""Size in binary: ``edgeser.serve.encoding``."""
FRAME_START = (b'{"type": "frame"', b'{"type":"frame"')


def ring(sound: npt.NDArray[np.int16], seconds: float, rate: int = RATE) -> list[bytes]:
    """The messages of a sound that is repeated."""
    size = round(seconds * rate)
    return [masked(sound[at : at + size].tobytes()) for at in range(0, len(sound) - size + 1, size)]


def speech() -> npt.NDArray[np.int16]:
    """The sample, at 16 kHz."""
    return (recording() * 32767).astype(np.int16)


def quiet(seconds: float = 16.0) -> npt.NDArray[np.int16]:
    """A room without speech."""
    noise = np.random.default_rng(0).normal(0, QUIET_LEVEL, round(seconds * RATE))
    return noise.astype(np.int16)


@dataclass(eq=False, slots=True)
class Voice:
    """One client."""

    socket: socket.socket
    messages: Sequence[bytes]
    at: int
    """Index of its next message in the ring."""
    phase: float
    """Offset in seconds, less than a message's length."""
    first: int
    """Index of the turn in which it begins."""
    witness: bool
    kept: bytearray = field(default_factory=bytearray)
    frames: int = 0
    sent: int = 0
    lost: str = ""
    """The reason why it ended, if it did."""
    waits: list[tuple[float, float]] = field(default_factory=list)
    """Arrival time and latency of each frame; only for witnesses."""


def connect(address: str, query: str) -> socket.socket:
    """Opens a WebSocket to ``/v1/stream``; nothing after the handshake is read."""
    parts = urlsplit(address)
    ours = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET /v1/stream?{query} HTTP/1.1",
        f"Host: {parts.netloc}",
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        f"Sec-WebSocket-Key: {key}",
    )
    ours.sendall("\r\n".join((*lines, "", "")).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        if not (byte := ours.recv(1)):
            raise ConnectionError(f"no WebSocket: {answer[:80]!r}")
        answer += byte
    if not answer.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"no WebSocket: {answer[:80]!r}")
    ours.setblocking(False)
    return ours


class Crowd:
    """Clients that send at the pace of real time.

    Args:
        address: of the server, such as ``http://127.0.0.1:8765``.
        talkers, listeners: numbers of clients with speech, and of quiet rooms.
        seconds: length of one message.
        within: seconds in which they begin, each at a random moment; 0 for all in the time of
            one message. Clients that began together have their frames due together ever after.
        witnesses: number of clients that measure latency, drawn at random; they receive all
            frames, in binary.
        query: of the other clients' URL.
        hop: seconds between two frames.
    """

    def __init__(
        self,
        address: str,
        talkers: int,
        listeners: int = 0,
        *,
        seconds: float = 0.1,
        within: float = 0.0,
        witnesses: int = 20,
        query: str = f"rate={RATE}",
        hop: float = 0.128,
    ) -> None:
        self._address, self._seconds, self._hop = address, seconds, hop
        speaking, silent = ring(speech(), seconds), ring(quiet(), seconds)
        draw = np.random.default_rng(talkers + listeners)
        self.voices: list[Voice] = []
        count = talkers + listeners
        watching = {*draw.choice(count, min(witnesses, count), replace=False).tolist()}
        turns = max(1, round(within / seconds))
        for place in range(count):
            # Distributes the quiet clients evenly among the others.
            says = (place * talkers) // count != ((place + 1) * talkers) // count
            messages, watches = speaking if says else silent, place in watching
            self.voices.append(
                Voice(
                    connect(address, f"rate={RATE}&encoding=binary" if watches else query),
                    messages,
                    int(draw.integers(len(messages))),
                    float(draw.random() * seconds),
                    int(draw.integers(turns)),
                    watches,
                )
            )
            time.sleep(CONNECT_SECONDS)
            if place % LISTEN_EVERY == 0:
                for voice in self.voices:
                    self._read(voice, 0.0)
        self._begin = 0.0

    def talk(self, warm_up: float, seconds: float, pids: Iterable[int]) -> CrowdStats:
        """Sends for this time, at the pace of real time.

        Returns the measurements after ``warm_up``, with the processes' CPU time.
        """
        order = sorted(self.voices, key=lambda voice: voice.phase)
        poll, known = self._poll(), {v.socket.fileno(): v for v in self.voices}
        late: list[float] = []
        self._begin = time.perf_counter() + 0.05
        start: _Start | None = None
        for turn in itertools.count():
            base = self._begin + turn * self._seconds
            for voice in order:
                if turn < voice.first:
                    continue
                due = base + voice.phase
                while (rest := due - time.perf_counter()) > 0.0005:
                    for handle, _ in poll.poll(rest):
                        self._read(known[handle], time.perf_counter())
                late.append(-rest)
                self._say(voice)
            said = (turn + 1) * self._seconds
            if start is None and said >= warm_up:
                start = _Start(self._address, self.voices, [*pids])
            elif start is not None and said >= warm_up + seconds:
                break
        poll.close()
        return start.stats(late)

    def talk_in_step(self, warm_up: float, seconds: float, pids: Iterable[int]) -> CrowdStats:
        """Sends audio of this length, each message after the server has processed the last one.

        All send at the same time, as fast as the server can process. Other processes change the
        elapsed time, but not the amount of work.
        """
        poll, known = self._poll(), {v.socket.fileno(): v for v in self.voices}
        witnesses = [voice for voice in self.voices if voice.witness]
        start: _Start | None = None
        for turn in itertools.count(1):
            for voice in self.voices:
                self._say(voice)
            said = turn * self._seconds
            frames = int((said * RATE - 1) / (self._hop * RATE))  # it may need one sample more
            until = time.perf_counter() + 60
            while any(voice.frames < frames and not voice.lost for voice in witnesses):
                for handle, _ in poll.poll(1.0):
                    self._read(known[handle], time.perf_counter())
                if time.perf_counter() > until:
                    received = [voice.frames for voice in witnesses]
                    raise TimeoutError(
                        f"after {said:.1f} s of audio, each client should have received {frames} "
                        f"frames; they received {received}"
                    )
            if start is None and said >= warm_up:
                start = _Start(self._address, self.voices, [*pids])
            elif start is not None and said >= warm_up + seconds:
                break
        poll.close()
        return start.stats([])

    def _poll(self) -> select.epoll:
        poll = select.epoll()
        for voice in self.voices:
            if voice.witness:
                poll.register(voice.socket.fileno(), select.EPOLLIN)
        return poll

    def endings(self) -> set[str]:
        """The reasons why clients ended, if any did."""
        return {voice.lost for voice in self.voices if voice.lost}

    def close(self) -> None:
        """Closes all connections without a close frame."""
        for voice in self.voices:
            voice.socket.close()

    def _say(self, voice: Voice) -> None:
        if voice.lost:
            return
        if not voice.witness and voice.sent % READ_EVERY == 0:
            self._read(voice, 0.0)
        message = voice.messages[voice.at]
        voice.at = (voice.at + 1) % len(voice.messages)
        voice.sent += 1
        try:
            sent = voice.socket.send(message)
        except BlockingIOError:
            sent = 0
        except OSError as gone:
            voice.lost = str(gone)
            return
        if sent < len(message):
            voice.lost = "the server does not read"

    def _read(self, voice: Voice, now: float) -> None:
        try:
            data = voice.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as gone:
            data, voice.lost = b"", str(gone)
        if not data:
            voice.lost = voice.lost or "closed"
            return
        kept = voice.kept
        kept += data
        at, size = 0, len(kept)
        while size - at >= 2:
            length, header = kept[at + 1], 2
            if length == 126:
                length, header = int.from_bytes(kept[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, header = int.from_bytes(kept[at + 2 : at + 10], "big"), 10
            if size - at < header + length:
                break
            kind, body = kept[at] & 15, at + header
            if kind == CLOSE:
                voice.lost = f"closed with {int.from_bytes(kept[body : body + 2], 'big')}"
            elif kind == PING:
                voice.socket.send(masked(bytes(kept[body : body + length]), PONG))
            elif kind == BINARY:
                self._heard(voice, length // FRAME_BYTES, now)
            elif kind == TEXT and kept.startswith(FRAME_START, body):
                self._heard(voice, 1, now)
            at = body + length
        del kept[:at]

    def _heard(self, voice: Voice, frames: int, now: float) -> None:
        voice.frames += frames
        if voice.witness and self._begin:
            message = int(np.ceil(voice.frames * self._hop / self._seconds - 1e-9)) - 1
            due = self._begin + (voice.first + message) * self._seconds + voice.phase
            voice.waits.append((now, now - due))


class _Start:
    """The state at the start of a measurement."""

    def __init__(self, address: str, voices: Sequence[Voice], pids: Sequence[int]) -> None:
        self._address, self._voices, self._pids = address, voices, pids
        self._frames = sum(voice.frames for voice in voices)
        self._heard = audio_seconds(address)
        self._cpu = cpu_seconds(pids), time.process_time()
        self._at = time.perf_counter()

    def stats(self, late: Sequence[float]) -> CrowdStats:
        """The measurements since then."""
        passed, count = time.perf_counter() - self._at, len(self._voices)
        server = cpu_seconds(self._pids) - self._cpu[0]
        ours = time.process_time() - self._cpu[1]
        waits = [wait for v in self._voices for when, wait in v.waits if when > self._at]
        heard = audio_seconds(self._address) - self._heard
        return CrowdStats(
            clients=count,
            seconds=passed,
            heard=heard,
            frames=sum(voice.frames for voice in self._voices) - self._frames,
            lost=sum(bool(voice.lost) for voice in self._voices),
            p50_ms=1000 * float(np.median(waits)) if waits else 0.0,
            p99_ms=1000 * float(np.quantile(waits, 0.99)) if waits else 0.0,
            late_p99_ms=1000 * float(np.quantile(late, 0.99)) if late else 0.0,
            milliseconds=1000 * server / heard if heard else 0.0,
            clients_milliseconds=1000 * ours / heard if heard else 0.0,
        )


@dataclass(frozen=True)
class CrowdStats:
    """Measurements of a crowd."""

    clients: int
    seconds: float
    """Elapsed time."""
    heard: float
    """Seconds of audio that the server processed meanwhile, for all clients."""
    frames: int
    """Frames received."""
    lost: int
    """Clients that the server disconnected."""
    p50_ms: float
    p99_ms: float
    """Latency of the witnesses: from when the message with a frame's last sample was due."""
    late_p99_ms: float
    """Delay of sent messages."""
    milliseconds: float
    """CPU time of the server per second of audio."""
    clients_milliseconds: float
    """CPU time of the crowd itself."""


def audio_seconds(address: str) -> float:
    """Seconds of audio that a server has processed so far, for all clients."""
    url = f"{address}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  our own server
        lines = answer.read().decode().splitlines()
    name = "edgeser_audio_seconds_total "
    return float(next(line for line in lines if line.startswith(name)).removeprefix(name))


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of processes so far, user and system."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        children = (thread / "children").read_text().split()
        found += [one for child in children for one in family(int(child))]
    return found


def resident_mib(pids: Iterable[int]) -> float:
    """Resident memory of processes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
