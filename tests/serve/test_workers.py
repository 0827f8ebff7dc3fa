"""Several processes behind one port: they share clients and metrics, and any of them may die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.serve.clients import events_of, get, serve_in_vain, speech
from tests.serve.conftest import Start

pytest.importorskip("websockets")
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The final value."""
    end = time.monotonic() + seconds
    while not (result := true()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
    return result


def health(address: str) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(get(address, "/healthz")[1])
    return about


def all_serve(start: Start, *options: str, **more: str) -> tuple[str, subprocess.Popen[str]]:
    address, process = start(*options, **more)
    until(lambda: health(address)["status"] == "ok")
    return address, process


def workers_of(process: subprocess.Popen[str]) -> set[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return set(map(int, children.split()))


def gone(pid: int) -> bool:
    """Whether a process has ended, including one that was not reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def figures(address: str) -> dict[str, float]:
    lines = [line for line in get(address, "/metrics")[1].splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def owner(client: ClientConnection, pids: set[int]) -> int:
    """The process that serves a connection."""
    # Others use the same port towards another server.
    ends = [
        f":{name[1]:04X}" for name in (client.socket.getpeername(), client.socket.getsockname())
    ]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = [row[9] for row in rows if [row[1][-5:], row[2][-5:]] == ends]
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if os.path.lexists(file) and str(file.readlink()) == f"socket:[{inode}]":
                return pid
    raise AssertionError("nobody has it")


def test_a_worker_that_is_killed_takes_only_its_own_clients_along(start: Start) -> None:
    address, process = all_serve(start, "--workers", "2")
    pids = workers_of(process)
    assert len(pids) == 2
    samples, rate = speech()
    url = f"ws://{address}/v1/stream?rate={rate}"
    with ExitStack() as held:
        clients, owners = [], []
        # Who has fewer is left the next one for 5 ms, which are soon over where much else runs.
        while len(clients) < 4 or set(owners) != pids:
            assert len(clients) < 30, "one of them serves nobody"
            clients.append(client := held.enter_context(connect(url)))
            assert json.loads(client.recv())["type"] == "ready"
            client.send(samples[:rate].tobytes())
            assert json.loads(client.recv(timeout=30))["type"] in {"frame", "speech_started"}
            owners.append(owner(client, pids))
        # Of both, whoever answers.
        until(lambda: figures(address)["edgeser_frames_total"] == 7 * len(clients))
        before = figures(address)
        assert before["edgeser_connections"] == len(clients)
        assert before["edgeser_workers"] == 2

        victim = owners[0]
        os.kill(victim, signal.SIGKILL)
        for client, pid in zip(clients, owners, strict=True):
            if pid == victim:
                assert not any(e["type"] == "error" for e in events_of(client))
                assert client.close_code == 1006  # cut off, RFC 6455 section 7.1.5
        stay = len(clients) - owners.count(victim)
        until(lambda: figures(address)["edgeser_connections"] == stay)
        with connect(url) as again:  # another worker has it, or the one that was begun again
            assert json.loads(again.recv())["type"] == "ready"
            again.send(samples[:rate].tobytes())
            assert json.loads(again.recv(timeout=30))["type"] in {"frame", "speech_started"}
        for client, pid in zip(clients, owners, strict=True):
            if pid != victim:  # the other's clients heard nothing of it
                client.send(samples[rate : 2 * rate].tobytes())
                client.send('{"type": "end"}')
                assert [e["type"] for e in events_of(client)].count("frame") >= 14
        seen = []
        until(lambda: seen.append(figures(address)) or seen[-1]["edgeser_workers"] == 2)
        counts = [now["edgeser_frames_total"] for now in (before, *seen)]
        assert counts == sorted(counts)
        assert counts[-1] >= 7 * len(clients) + 7 * stay
        assert seen[-1]["edgeser_restarts_total"] == 1
        assert victim not in workers_of(process)
    until(lambda: health(address)["status"] == "ok")


def test_everybody_hears_goodbye_and_no_worker_is_left(start: Start) -> None:
    address, process = all_serve(start, "--workers", "2")
    pids = workers_of(process)
    samples, rate = speech()
    with ExitStack() as held:
        url = f"ws://{address}/v1/stream?rate={rate}"
        clients = [held.enter_context(connect(url)) for _ in range(4)]
        for client in clients:
            client.send(samples[: 2 * rate].tobytes())
        until(lambda: figures(address)["edgeser_frames_total"] >= 4 * 15)
        process.send_signal(signal.SIGTERM)
        for client in clients:
            events = events_of(client)
            assert events[-1]["type"] == "utterance"
            assert events[-1]["ended"] == "flush"
            assert client.close_code == 1001  # going away, RFC 6455 section 7.4.1
    assert process.wait(30) == 0
    assert all(map(gone, pids))
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()


def test_workers_that_are_interrupted_too_print_no_traceback(start: Start) -> None:
    """As systemd does with KillSignal=SIGINT: it signals all processes of a service."""
    _, process = all_serve(start, "--workers", "2")
    for pid in (*workers_of(process), process.pid):
        os.kill(pid, signal.SIGINT)
    assert process.wait(60) == 0
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()


def test_workers_end_with_their_supervisor(start: Start) -> None:
    _, process = all_serve(start, "--workers", "2")
    pids = workers_of(process)
    process.kill()
    process.wait()
    until(lambda: all(map(gone, pids)))


def test_limits_hold_for_all_workers_together(start: Start) -> None:
    address, process = all_serve(
        start, "--workers", "2", "--connections", "5", "--per-address", "3"
    )
    url = f"ws://{address}/v1/stream"
    with ExitStack() as held:
        clients = [held.enter_context(connect(url)) for _ in range(3)]
        assert all(json.loads(client.recv())["type"] == "ready" for client in clients)
        for _ in range(6):  # whichever worker has it
            with connect(url) as one_more:
                assert events_of(one_more)[0]["code"] == "busy"
        os.kill(owner(clients[0], workers_of(process)), signal.SIGKILL)

        def comes_in() -> bool:
            with connect(url) as next_one:
                return bool(json.loads(next_one.recv())["type"] == "ready")

        until(comes_in)  # the places of those who were with it are free again


def test_a_worker_that_answers_nobody_is_told_of_and_ended(start: Start) -> None:
    address, process = all_serve(
        start, limits="stalled_seconds=2.0, stuck_seconds=4.0", config="workers=2"
    )
    one, other = workers_of(process)
    os.kill(one, signal.SIGSTOP)
    until(lambda: health(address)["status"] == "degraded")
    states = {worker["status"] for worker in health(address)["workers"]}
    assert states == {"ok", "stalled"}
    assert get(address, "/healthz")[0] == 200  # the other serves
    until(lambda: gone(one))
    until(lambda: health(address)["status"] == "ok")
    assert other in workers_of(process)


def test_a_worker_that_hangs_while_it_starts_again_is_ended(start: Start) -> None:
    address, process = all_serve(start, limits="stuck_seconds=4.0", config="workers=2")
    one, other = workers_of(process)
    os.kill(one, signal.SIGKILL)
    # One that has ended is still a child until it is reaped.
    (again,) = until(lambda: workers_of(process) - {one, other})
    os.kill(again, signal.SIGSTOP)
    assert {worker["status"] for worker in health(address)["workers"]} == {"ok", "starting"}
    until(lambda: gone(again))
    until(lambda: health(address)["status"] == "ok")
    assert other in workers_of(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout is not None
    assert "does not start: it is ended" in process.stdout.read()


def test_a_container_that_was_frozen_goes_on_as_it_was(start: Start) -> None:
    address, process = all_serve(
        start, limits="stalled_seconds=2.0, stuck_seconds=4.0", config="workers=2"
    )
    everybody = {process.pid, *workers_of(process)}
    samples, rate = speech()
    with connect(f"ws://{address}/v1/stream?rate={rate}") as client:
        client.send(samples[:rate].tobytes())
        assert json.loads(client.recv(timeout=30))["type"] == "ready"
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(7.0)
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        time.sleep(3.0)
        until(lambda: health(address)["status"] == "ok")
        assert {process.pid, *workers_of(process)} == everybody
        client.send(samples[rate : 2 * rate].tobytes())
        client.send('{"type": "end"}')
        assert [e["type"] for e in events_of(client)].count("frame") >= 14
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout is not None
    assert "answers nobody" not in process.stdout.read()


def test_what_keeps_workers_from_beginning_is_one_line(tmp_path: Path) -> None:
    said = serve_in_vain("--workers", "2", "--port", "0", "--model", str(tmp_path / "no.edgeser"))
    assert said.startswith("edgeser: ")
    assert "no.edgeser" in said
    assert said.count("\n") == 1
