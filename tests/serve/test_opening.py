"""Clients with odd sample rates, whose streams take long to open, delay nobody else."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("prometheus_client")
from edgeser.errors import AudioError
from edgeser.serve import hub as hub_module
from edgeser.serve.client import Client
from edgeser.serve.hub import Hub
from edgeser.serve.opening import RATES
from edgeser.serve.protocol import AudioFormat
from tests.serve.clients import events_of, get
from tests.serve.conftest import Start
from tests.serve.test_hub import client_of, say, with_hub

ODD = AudioFormat(16_001, "int16", 1)


class Slow:
    """Makes clients of odd rates only once they may be made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = self.together = self.most = 0
        self.may = threading.Event()
        self.fails = False
        self.made: list[weakref.ref[Client]] = []
        monkeypatch.setattr(hub_module, "Client", self._make)

    def _make(self, model: Any, audio: AudioFormat, *rest: Any) -> Client:
        if audio.rate in RATES:
            return Client(model, audio, *rest)
        self.begun += 1
        self.together += 1
        self.most = max(self.most, self.together)
        assert self.may.wait(30)
        self.together -= 1
        if self.fails:
            raise AudioError("odd")
        client = Client(model, audio, *rest)
        self.made.append(weakref.ref(client))
        return client


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


async def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def joining(hub: Hub, **more: Any) -> asyncio.Task[Client | None]:
    return asyncio.create_task(hub.join(ODD, "127.0.0.1", **more))


def test_others_join_and_are_heard_meanwhile(slow: Slow) -> None:
    async def test(hub: Hub) -> None:
        odd = [joining(hub) for _ in range(4)]
        await until(lambda: slow.begun)
        assert (await say(hub, await client_of(hub))).count("frame") == 7
        assert not any(task.done() for task in odd)
        assert len(hub.clients) == 1
        slow.may.set()
        clients = await asyncio.gather(*odd)
        assert hub.clients >= set(clients)
        assert slow.most == 1  # one at a time
        assert clients[0] is not None
        assert (await say(hub, clients[0])).count("frame") == 7

    with_hub(test)


def test_who_is_cancelled_leaves_nothing_behind(slow: Slow) -> None:
    async def test(hub: Hub) -> None:
        being_made, waiting = joining(hub), joining(hub)
        await until(lambda: slow.begun)
        assert await hub.join(ODD, "127.0.0.1") is None  # both places are taken
        for task in (being_made, waiting):
            task.cancel()
        await asyncio.wait((being_made, waiting))
        slow.may.set()
        await until(lambda: slow.made)
        assert not hub.clients
        last = await asyncio.gather(joining(hub), joining(hub))  # both places are free
        assert set(last) == hub.clients
        assert slow.begun == 3
        await until(lambda: slow.made[0]() is None)

    gc.disable()
    try:
        with_hub(test, connections=2)
    finally:
        gc.enable()


def test_who_left_meanwhile_is_not_waited_for(slow: Slow) -> None:
    async def test(hub: Hub) -> None:
        there = [True]
        first, gone = joining(hub), joining(hub, still_there=lambda: there[0])
        await until(lambda: slow.begun)
        there[0] = False
        slow.may.set()
        assert await gone is None
        assert hub.clients == {await first}
        assert slow.begun == 1
        assert "edgeser_refused_total 0.0" in hub.metrics.text().decode()
        assert await joining(hub) is not None

    with_hub(test, connections=2)


def test_nobody_joins_a_server_that_ends(slow: Slow) -> None:
    async def test(hub: Hub) -> None:
        being_made, waiting = joining(hub), joining(hub)
        await until(lambda: slow.begun)
        closing = asyncio.create_task(hub.close(1.0))
        await until(lambda: hub.closing)
        slow.may.set()
        assert await asyncio.gather(being_made, waiting) == [None, None]
        await closing
        assert slow.begun == 1
        assert not hub.clients

    with_hub(test)


def test_one_that_cannot_be_opened_is_refused_and_frees_its_place(slow: Slow) -> None:
    async def test(hub: Hub) -> None:
        slow.fails = True
        slow.may.set()
        for _ in range(3):
            with pytest.raises(AudioError):
                await hub.join(ODD, "127.0.0.1")
        slow.fails = False
        assert await hub.join(ODD, "127.0.0.1") is not None

    with_hub(test, connections=1)


def test_they_take_a_part_of_the_time_only(slow: Slow) -> None:
    async def test(hub: Hub) -> None:
        slow.may.set()
        hub._opening._budget.take(1.05)  # the allowance, and 0.2 s to wait for the rest
        began = time.monotonic()
        assert await client_of(hub)
        odd = joining(hub)
        assert await odd is not None
        assert time.monotonic() - began > 0.15

    with_hub(test)


def test_a_connection_that_ends_while_it_waits_is_forgotten(start: Start) -> None:
    address, _ = start()
    host, port = address.split(":")
    for rate in range(190_001, 190_041, 2):
        with socket.create_connection((host, int(port)), timeout=30) as odd:
            lines = (
                f"GET /v1/stream?rate={rate} HTTP/1.1",
                f"Host: {address}",
                *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            )
            odd.sendall("\r\n".join((*lines, "", "")).encode())
            assert odd.recv(12) == b"HTTP/1.1 101"
    began = time.monotonic()
    while "edgeser_connections 0.0" not in get(address, "/metrics")[1]:
        assert time.monotonic() - began < 30
        time.sleep(0.1)
    from websockets.sync.client import connect

    with connect(f"ws://{address}/v1/stream?rate=190041") as line:
        line.send('{"type": "end"}')
        assert events_of(line)[0]["type"] == "ready"
