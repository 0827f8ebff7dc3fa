"""The worker: its errors end only the affected stream and are reported."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

import edgeser

pytest.importorskip("prometheus_client")
from edgeser.errors import ServeError
from edgeser.serve.client import Client
from edgeser.serve.config import Limits, ServeConfig
from edgeser.serve.door import allow_files
from edgeser.serve.ear import Ear
from edgeser.serve.hub import STEP_HOPS, Hub
from edgeser.serve.protocol import AudioFormat, parameters


class Broken:
    """A speech detector that fails."""

    sample_rate = 16_000
    threshold = 0.5

    def score(self, hop: np.ndarray) -> float:  # noqa: ARG002
        raise ZeroDivisionError

    def reset(self) -> None:
        pass


SECOND = np.random.default_rng(0).normal(0, 3_000, 16_000).astype("<i2").tobytes()


def with_hub(test: Callable[[Hub], Awaitable[None]], **limits: Any) -> None:
    """Run a test beside a hub that works."""

    async def run() -> None:
        hub = Hub(edgeser.load(), ServeConfig(limits=Limits(**limits)))
        hub.start()
        try:
            await test(hub)
        finally:
            await hub.close(2.0)

    asyncio.run(run())


async def client_of(hub: Hub, host: str = "127.0.0.1") -> Client:
    client = await hub.join(AudioFormat(16_000, "int16", 1), host)
    assert client is not None
    return client


async def say(hub: Hub, client: Client) -> list[str]:
    """A second of sound, and the kinds of events that follow within the time limit."""
    client.push(SECOND)
    hub.wake()
    kinds = []
    until = time.monotonic() + 30
    while kinds.count("frame") < 7 and "error" not in kinds and time.monotonic() < until:
        event = await asyncio.wait_for(client.events.get(), 30)
        kinds.append(event["type"] if event else "end")
    return kinds


def failing(hub: Hub, times: int, failure: BaseException) -> None:
    """The next ``n`` steps fail."""
    process, left = hub._process, [times]

    def step(chunks: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise failure
        return process(chunks)

    hub._process = step  # type: ignore[method-assign]


@pytest.mark.parametrize("failure", [MemoryError(), SystemExit(3), edgeser.KernelError("odd")])
def test_a_step_that_fails_once_is_not_the_end(failure: BaseException) -> None:
    async def test(hub: Hub) -> None:
        one, other = await client_of(hub), await client_of(hub)
        failing(hub, 1, failure)
        one.push(SECOND)
        assert (await say(hub, other)).count("frame") == 7  # each was tried again, by itself
        assert (await say(hub, await client_of(hub))).count("frame") == 7
        assert hub.status == "ok"
        assert "edgeser_failures_total 1.0" in hub.metrics.text().decode()

    with_hub(test)


def test_steps_that_go_on_failing_are_told_and_health_says_so() -> None:
    async def test(hub: Hub) -> None:
        client = await client_of(hub)
        failing(hub, 2, MemoryError())
        assert await say(hub, client) == ["error"]
        assert hub.status == "failing"
        until = time.monotonic() + 10
        while hub.status == "failing" and time.monotonic() < until:
            await asyncio.sleep(0.1)
        assert hub.status == "ok"  # it was tried without anybody
        assert (await say(hub, await client_of(hub))).count("frame") == 7

    with_hub(test)


def test_a_client_whose_detector_fails_fails_alone() -> None:
    async def test(hub: Hub) -> None:
        bad, good = await client_of(hub), await client_of(hub)

        bad.utterances = edgeser.Utterances(hub.model, 16_000, detector=Broken())
        bad.push(SECOND)
        assert (await say(hub, good)).count("frame") == 7
        assert await say(hub, bad) == ["error"]

    with_hub(test)


def test_a_step_that_never_ends_is_told_and_does_not_keep_the_server() -> None:
    release = threading.Event()

    async def test(hub: Hub) -> None:
        told = asyncio.Event()
        hub.on_stuck = told.set
        hub._process = lambda _: release.wait()  # type: ignore[assignment, method-assign, return-value]
        client = await client_of(hub)
        client.push(SECOND)
        hub.wake()
        await asyncio.wait_for(told.wait(), 30)
        assert hub.status == "stalled"
        began = time.monotonic()
        await hub.close(0.5)
        assert time.monotonic() - began < 10
        release.set()

    with_hub(test, stalled_seconds=0.2, stuck_seconds=0.5)


def test_a_step_takes_little_of_each_of_many() -> None:
    async def test(hub: Hub) -> None:
        sizes: list[list[int]] = []
        process = hub._process

        def step(chunks: Any) -> Any:
            sizes.append([len(chunk) for chunk in chunks.values()])
            return process(chunks)

        hub._process = step  # type: ignore[method-assign]
        greedy = [await client_of(hub) for _ in range(7)]
        for client in greedy:
            client.push(SECOND * 8)
        assert (await say(hub, await client_of(hub))).count("frame") == 7
        assert max(map(max, sizes)) <= 2048
        assert len(sizes[0]) == 8

    with_hub(test)


def test_however_many_are_ahead_of_real_time_a_step_takes_few_of_them() -> None:
    """Each of them in turn."""

    async def test(hub: Hub) -> None:
        steps: list[set[Any]] = []
        process = hub._process

        def step(chunks: Any) -> Any:
            steps.append(set(chunks))
            return process(chunks)

        hub._process = step  # type: ignore[method-assign]
        greedy = [await client_of(hub) for _ in range(40)]
        for client in greedy:
            client._live.take(60.0)  # a minute of audio in no time
            client.push(SECOND * 2)
            assert client.ahead
        live = await client_of(hub)
        live.push(SECOND[: 2 * 3 * 2048])
        hub.wake()
        for _ in range(3):
            event = await asyncio.wait_for(live.events.get(), 30)
            assert event["type"] == "frame"
        assert not live.ahead
        assert all(live in step for step in steps[:3])
        assert max(map(len, steps)) == STEP_HOPS + 1
        until = time.monotonic() + 30
        while any(c.waiting > 0.2 for c in greedy) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        assert set.union(*steps[:6]) == {live, *greedy}
        assert max(map(len, steps)) == STEP_HOPS + 1

    with_hub(test)


def test_a_live_voice_is_never_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("edgeser.serve.budget.time.monotonic", lambda: now[0])

    async def test(hub: Hub) -> None:
        client = await client_of(hub)
        for _ in range(3_600):
            now[0] += 0.999  # a clock that is a thousandth too fast, for an hour
            client.push(SECOND)
            client.take(1.0)
            assert not client.ahead
        now[0] += 1.0
        client.push(SECOND * 2)
        client.take(2.0)
        assert not client.ahead
        client.push(SECOND * 4)
        client.take(4.0)
        assert client.ahead

    with_hub(test)


def test_nothing_is_waited_for_from_who_has_ended() -> None:
    async def test(hub: Hub) -> None:
        client = await client_of(hub)
        ear = Ear(client, hub.wake)
        await ear.rest(0.0)
        assert client.awaited_since is not None
        client.ending = True
        await ear.rest(0.0)
        assert client.awaited_since is None

    with_hub(test)


def test_one_address_does_not_take_all_places() -> None:
    async def test(hub: Hub) -> None:
        for _ in range(2):
            await client_of(hub, "192.0.2.1")
        assert await hub.join(AudioFormat(16_000, "int16", 1), "192.0.2.1") is None
        for _ in range(2):
            await client_of(hub, "127.0.0.1")
        assert await hub.join(AudioFormat(16_000, "int16", 1), "127.0.0.1") is None  # all are taken

    with_hub(test, connections=4)


def test_limits_that_nobody_could_keep_are_named() -> None:
    with pytest.raises(ServeError, match="the limit idle_seconds is 0"):
        Limits(idle_seconds=0)
    for never in (float("inf"), float("nan")):
        with pytest.raises(ServeError, match=f"the limit idle_seconds is {never}: give a finite"):
            Limits(idle_seconds=never)
    with pytest.raises(ServeError, match="open files and the system allows"):
        allow_files(Limits(connections=1 << 40))


@pytest.mark.parametrize("patience", [2_147_484.0, 1e9, 1e308])
def test_long_limits_are_used_as_far_as_the_system_goes(patience: float) -> None:
    """Its timeouts have 31 bits of milliseconds: 24 days."""
    pytest.importorskip("uvicorn")
    from edgeser.serve.server import listening_socket

    limits = Limits(idle_seconds=patience, burst_seconds=1e308)
    with listening_socket(ServeConfig(port=0, limits=limits)) as bound:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert milliseconds == 2**31 - 1

    async def test(hub: Hub) -> None:
        assert await client_of(hub)

    with_hub(test, idle_seconds=patience, burst_seconds=1e308)


@pytest.mark.parametrize(
    "query", [[("sample_rate", "48000")], [("rate", "8000"), ("rate", "16000")]]
)
def test_parameters_that_are_not_known_or_given_twice_are_named(query: Any) -> None:
    with pytest.raises(edgeser.AudioError, match=query[0][0]):
        parameters(query)
