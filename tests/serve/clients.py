"""Client helpers shared by the server's tests."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import edgeser

SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def speech() -> tuple[npt.NDArray[np.int16], int]:
    """The sample, two seconds of silence, and the sample again: at least two utterances."""
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    return np.concatenate([samples, np.zeros(2 * rate, np.int16), samples]), rate


def events_of(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything until the server closes."""
    events = []
    try:
        while True:
            events.append(json.loads(socket.recv(timeout=20)))
    except ConnectionClosed:
        return events


def talk(
    address: str, samples: npt.NDArray[Any], query: str, size: int = 4_000
) -> list[dict[str, Any]]:
    """Sends everything in messages of this many samples, and returns all answers."""
    with connect(f"ws://{address}/v1/stream?{query}") as socket:
        for at in range(0, len(samples), size):
            socket.send(samples[at : at + size].tobytes())
        socket.send('{"type": "end"}')
        return events_of(socket)


def get(address: str, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def masked(payload: bytes) -> bytes:
    """A binary message, masked with zeros (RFC 6455 section 5.2)."""
    return b"\x82\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


def serve_in_vain(*options: str) -> str:
    """Standard error of a server that cannot start."""
    command = [sys.executable, "-m", "edgeser", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr
