"""Signals end a server at any time, also while it starts."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from edgeser.serve.signals import Ended, Signals

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

HANDLED = [signal.SIGINT, signal.SIGTERM]
DROPPED = """
import signal, sys, weakref

def drop(number):
    class Thing: ...
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
"""
SERVER = """
import gc
from edgeser.serve import ServeConfig, server

def at(place, name, number):
    instead_of = getattr(place, name)
    def do(*given):
        drop(number)
        return instead_of(*given)
    setattr(place, name, do)

place, name, number, workers = sys.argv[1:]
at({"gc": gc, "server": server}[place], name, signal.Signals[number])
try:
    server.run(ServeConfig(port=0, workers=int(workers)), lambda _: print("listens"))
except KeyboardInterrupt:
    print("interrupted")
"""


class Server:
    should_exit = force_exit = False


@pytest.fixture(autouse=True)
def main_thread() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    before = [signal.getsignal(number) for number in HANDLED]
    yield
    assert [signal.getsignal(number) for number in HANDLED] == before


def drop(number: int) -> None:
    """Raises a signal where Python drops exceptions."""

    class Thing:
        pass

    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
    assert kept() is None


def test_before_there_is_a_server_they_raise() -> None:
    with pytest.raises(Ended), Signals():
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), Signals():
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", HANDLED)
def test_nothing_that_handles_errors_catches_them(number: signal.Signals) -> None:
    def load() -> None:
        try:
            signal.raise_signal(number)
        except Exception:  # noqa: BLE001
            pytest.fail("it was caught")

    with pytest.raises((Ended, KeyboardInterrupt)), Signals():
        load()


def test_one_that_python_drops_ends_the_server_later(capsys: pytest.CaptureFixture[str]) -> None:
    with Signals() as signals:
        drop(signal.SIGTERM)
        signals.server = server = Server()
        assert (server.should_exit, server.force_exit) == (True, False)
        signal.raise_signal(signal.SIGTERM)
        assert server.force_exit
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_that_python_drops_is_raised_at_the_end() -> None:
    server = Server()

    def serve(signals: Signals) -> None:
        drop(signal.SIGINT)
        signals.server = server

    with pytest.raises(KeyboardInterrupt), Signals() as signals:
        serve(signals)
    assert server.should_exit


def test_other_dropped_exceptions_are_still_reported() -> None:
    class Odd:
        def __del__(self) -> None:
            raise ZeroDivisionError

    told: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, told.append
    try:
        with Signals():
            Odd()
        assert len(told) == 1
        assert sys.unraisablehook == told.append
    finally:
        sys.unraisablehook = hook


def test_one_that_comes_with_the_first_handler_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install = signal.signal
    before = sys.unraisablehook

    def install_and_raise(number: int, handler: object) -> object:
        old = install(number, handler)  # type: ignore[arg-type]
        if number == signal.SIGTERM and handler == signals._hear:
            signal.raise_signal(number)
        return old

    signals = Signals()
    monkeypatch.setattr(signal, "signal", install_and_raise)
    with pytest.raises(Ended), signals:
        pytest.fail("it was dropped")
    assert sys.unraisablehook is before  # and the fixture looks at the handlers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "number", "workers"),
    [
        (("server", "access_of"), "SIGTERM", 1),
        (("server", "application"), "SIGINT", 1),
        (("gc", "collect"), "SIGTERM", 1),
        (("gc", "collect"), "SIGINT", 1),
        pytest.param(
            ("server", "listening_socket"),
            "SIGTERM",
            2,
            marks=pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux"),
        ),
    ],
)
def test_a_server_that_starts_hears_of_those_that_python_drops(
    where: tuple[str, str], number: str, workers: int
) -> None:
    command = [sys.executable, "-c", DROPPED + SERVER, *where, number, str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("interrupted\n" if number == "SIGINT" else "")


@pytest.mark.slow
def test_a_second_one_ends_the_server_without_a_word() -> None:
    program = """
import signal
from edgeser.serve import ServeConfig, server

def twice(port):
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)

server.run(ServeConfig(port=0), twice)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


KNOCKING = """
import asyncio, os, signal, socket, threading
from edgeser.serve import ServeConfig, application, server
from edgeser.serve.connection import SocketConnection

cut = asyncio.Event()
converse, shutdown = application.converse, SocketConnection.shutdown

async def converse_late(*given):
    os.kill(os.getpid(), signal.SIGTERM)
    await cut.wait()
    await converse(*given)

def cut_off(connection):
    cut.set()  # first, so that the other goes on before the connection is lost
    shutdown(connection)

application.converse, SocketConnection.shutdown = converse_late, cut_off

def knock(port):
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(
            b"GET /v1/stream HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\n"
            b"Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n\\r\\n"
        )
        print(line.recv(12).decode())

server.run(ServeConfig(port=0), lambda port: threading.Thread(target=knock, args=(port,)).start())
"""


def test_who_is_about_to_connect_when_it_ends_causes_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KNOCKING], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr) == ("HTTP/1.1 500\n", "")
