"""Supervision after a freeze of the machine, and of processes that cannot be killed."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("starlette")
from edgeser.serve import supervisor
from edgeser.serve.board import BEAT, STATE, State
from edgeser.serve.config import Limits, ServeConfig
from edgeser.serve.hub import Hub
from edgeser.serve.lasting import Lasting
from edgeser.serve.supervisor import Supervisor
from tests.serve.test_hub import SECOND, client_of, with_hub

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def test_only_what_was_watched_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("edgeser.serve.lasting.time.monotonic", lambda: now[0])
    lasting = Lasting(most=1.0)

    def look(after: float, what: object) -> float:
        now[0] += after
        return lasting.look(what)

    assert look(0.2, "a") == 0.0
    assert look(0.5, "a") == pytest.approx(0.5)
    assert look(3600.0, "a") == pytest.approx(1.5)  # it was not there to see
    assert look(0.5, "a") == pytest.approx(2.0)
    assert look(0.5, "b") == 0.0
    assert look(0.5, "b") == pytest.approx(0.5)


class Immortal:
    """A killed process that does not end, as if it waited for a driver."""

    pid, returncode = 4_000_000, None

    def __init__(self) -> None:
        self.killed = 0

    def wait(self, timeout: float | None = None) -> int:
        assert timeout is not None, "it would be waited for without an end"
        raise subprocess.TimeoutExpired("worker", timeout)

    def poll(self) -> None:
        return None

    def kill(self) -> None:
        self.killed += 1

    def send_signal(self, number: int) -> None:
        del number


def supervised(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> Supervisor:
    """A supervisor of two workers that has started nothing."""
    import socket

    monkeypatch.setattr(supervisor, "KILLED_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "ENDING_SECONDS", 0.05)
    config = ServeConfig(workers=2, limits=Limits(**limits))
    return Supervisor(config, socket.create_server(("127.0.0.1", 0)), None)


def test_a_worker_that_cannot_be_killed_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = supervised(monkeypatch)
    process: Any = Immortal()
    one._members[0].process = process
    with caplog.at_level(logging.WARNING, "edgeser.serve.supervisor"):
        one._begun = True
        one._ended(one._members[0])
    assert process.killed
    assert one._members[0].process is None  # another one is begun in its place
    assert "was killed and does not end" in caplog.text
    assert "worker 1 ended (not for the system yet): it is begun again" in caplog.text
    one._members[1].process = process
    began = time.monotonic()
    one.end()
    assert time.monotonic() - began < 10


def test_a_supervisor_that_was_frozen_blames_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("edgeser.serve.lasting.time.monotonic", lambda: now[0])
    one = supervised(monkeypatch, stuck_seconds=3.0)
    member, cells = one._members[0], one._board.row(0)
    cells[STATE], cells[BEAT] = State.ok, now[0]
    assert not one._hangs(member)
    now[0] += 3600.0  # all of them were frozen: it has said nothing for an hour
    assert not one._hangs(member)
    cells[BEAT] = now[0] + 0.1
    assert not one._hangs(member)
    hangs = []
    for _ in range(40):  # now it is really silent
        now[0] += 0.2
        hangs.append(one._hangs(member))
    assert hangs == sorted(hangs)
    assert 14 <= hangs.index(True) <= 17  # 3 s of 0.2 s each
    one.end()


def test_a_step_during_which_all_was_frozen_is_not_one_that_never_ends() -> None:
    release, told = threading.Event(), []

    async def test(hub: Hub) -> None:
        hub.on_stuck = lambda: told.append(True)
        step = hub._process

        def long_step(chunks: Any) -> Any:
            release.wait(20)
            return step(chunks)

        hub._process = long_step  # type: ignore[method-assign]
        (await client_of(hub)).push(SECOND)
        hub.wake()
        await asyncio.sleep(0.1)
        assert hub._worker.busy_since is not None
        # As if the process had stood still for longer than a step may take.
        time.sleep(3.5)
        await asyncio.sleep(0.5)
        release.set()
        await asyncio.sleep(0.5)
        assert hub._worker.busy_since is None

    with_hub(test, stuck_seconds=3.0)
    assert not told
