"""A real server in a subprocess, on a free port."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.browser import browsing

Start = Callable[..., tuple[str, "subprocess.Popen[str]"]]


def answers(address: str) -> bool:
    """Whether a server is there."""
    try:
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=1) as answer:
            return bool(answer.read())
    except http.client.HTTPException:  # of a server that speaks TLS
        return True
    except OSError:
        return False


def launch(
    *options: str, limits: str = "", config: str = "", port: int = 0
) -> tuple[str, subprocess.Popen[str]]:
    """Starts it on a free port and returns its address and process."""
    if not port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    command = [sys.executable, "-m", "edgeser", "serve", "--port", str(port), *options]
    if limits:
        program = f"serve(ServeConfig(port={port}, limits=Limits({limits}), {config}))"
        imports = "from edgeser.serve import Limits, ServeConfig, serve"
        command = [sys.executable, "-c", f"{imports}; {program}"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ,
    )
    assert process.stdin is not None
    with process.stdin:  # for --token-file -
        process.stdin.write("s3cret\n")
    return f"127.0.0.1:{port}", process


def wait_for(address: str, process: subprocess.Popen[str]) -> None:
    """Waits until it answers; the machine may be busy."""
    for _ in range(1800):
        if answers(address):
            return
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.1)
    raise AssertionError("the server did not start")


def end(process: subprocess.Popen[str]) -> None:
    """As Ctrl-C does."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start ``edgeser serve`` with these options, or a program with these limits and more.

    Gives its address and process.
    """
    pytest.importorskip("starlette")
    pytest.importorskip("websockets")
    started: list[subprocess.Popen[str]] = []

    def run(
        *options: str, limits: str = "", config: str = "", port: int = 0
    ) -> tuple[str, subprocess.Popen[str]]:
        address, process = launch(*options, limits=limits, config=config, port=port)
        started.append(process)
        wait_for(address, process)
        return address, process

    yield run
    for process in started:
        end(process)


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """Address of one server for all tests of a file that need no options, signals or limits.

    It accepts audio as fast as it is sent.
    """
    pytest.importorskip("starlette")
    pytest.importorskip("websockets")
    address, process = launch("--speed", "100")
    wait_for(address, process)
    yield address
    end(process)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium for a file's tests, which open windows of their own; see ``chromium.py``."""
    pytest.importorskip("playwright.sync_api")
    with browsing(tmp_path_factory.mktemp("voice")) as browser:
        yield browser
