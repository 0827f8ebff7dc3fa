"""A client that leaves frees its memory without the garbage collector."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

VISITS = """
import gc, os, signal, socket, sys, threading, time, weakref
from websockets.sync.client import connect
from edgeser.serve import ServeConfig
from edgeser.serve.hub import Hub
from edgeser.serve.server import run

streams = []
join = Hub.join

async def watched(self, *given):
    client = await join(self, *given)
    streams.append(weakref.ref(client.utterances))
    return client

Hub.join = watched

def visit(port):
    gc.disable()
    for end in ("close", "end", "vanish"):
        with connect(f"ws://127.0.0.1:{port}/v1/stream?rate={sys.argv[1]}") as line:
            line.send(bytes(32_000))
            line.recv()
            if end == "end":
                line.send('{"type": "end"}')
                assert [*line]
            elif end == "vanish":
                line.socket.shutdown(socket.SHUT_RDWR)
    until = time.monotonic() + 10
    while any(stream() is not None for stream in streams) and time.monotonic() < until:
        time.sleep(0.05)
    print(len(streams), sum(stream() is not None for stream in streams), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

run(ServeConfig(port=0), lambda port: threading.Thread(target=visit, args=(port,)).start())
"""


@pytest.mark.parametrize("rate", [16_000, 16_001])  # the latter is opened in another thread
def test_a_stream_is_freed_when_its_client_leaves(rate: int) -> None:
    command = [sys.executable, "-c", VISITS, str(rate)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.split() == ["3", "0"], done.stderr
