"""Hostile clients do not affect others."""

from __future__ import annotations

import re
import select
import signal
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.serve.clients import events_of, masked, speech, talk
from tests.serve.conftest import Start

pytest.importorskip("websockets")
from websockets.sync.client import connect

from bench.abuse import ATTACKS, attack, watch


def ask(address: str, request: bytes) -> bytes:
    """Sends raw bytes; returns everything until the connection closes."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as plain:
        plain.sendall(request)
        answer = b""
        with suppress(ConnectionError):
            while part := plain.recv(65536):
                answer += part
    return answer


def upgrade(address: str, path: str = "/v1/stream", *lines: str) -> bytes:
    asked = (
        f"GET {path} HTTP/1.1",
        *(line for line in (f"Host: {address}",) if not any(x.startswith("Host") for x in lines)),
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *lines,
    )
    return "\r\n".join((*asked, "", "")).encode("latin-1")


def test_odd_requests_get_a_clear_answer_and_leave_no_traceback(start: Start) -> None:
    address, process = start("--token-file", "-")  # of standard input, below
    odd = {
        upgrade(address, "/v1/stream?token=s3cret&x=" + "a" * 9_000): 414,
        upgrade(address, "/v1/stream?token=s3cret", "X: " + "a" * 9_000): 431,
        upgrade(address, "/v1/stream?token=s3cret", *(f"X{n}: 1" for n in range(200))): 431,
        upgrade(
            address, "/v1/stream?token=s3cret", *(f"X{n}: " + "a" * 2_000 for n in range(9))
        ): 431,
        upgrade(address, "/v1/stream?token=s3cret", "Origin: http://["): 403,
        upgrade(address, "/v1/stream?token=s3cret", "Origin: \xff"): 403,
        upgrade(address, "/v1/stream?token=s3cret", "Host: evil.example"): 403,
        upgrade(address, "/v1/stream", "Authorization: Bearer \xff\xfe"): 403,
        upgrade(address, "/v1/stream", "Authorization: bearer s3cret"): 101,
        upgrade(address, "/v1/stream?token=s3cret", f"Origin: HTTP://{address}/"): 101,
        upgrade(address, "/elsewhere?token=s3cret"): 404,
        upgrade(address, "/"): 404,
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n": 403,
        f"GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n".encode(): 401,
        f"GET /%00 HTTP/1.1\r\nHost: {address}\r\n\r\n".encode(): 404,
        f"GET /{'a' * 5_000} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode(): 404,
        f"POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 9999999\r\n\r\n".encode(): 405,
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n": 400,
    }
    for request, status in odd.items():
        if status == 101:
            host, port = address.split(":")
            with socket.create_connection((host, int(port)), timeout=30) as plain:
                plain.sendall(request)
                answer = plain.recv(12)
        else:
            answer = ask(address, request)
        assert answer[:12].decode() == f"HTTP/1.1 {status}", request[:300]
    command = Path(f"/proc/{process.pid}/cmdline")
    if command.exists():
        assert b"s3cret" not in command.read_bytes()
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == 0
    assert process.stdout is not None
    said = process.stdout.read()
    assert "Traceback" not in said
    assert "s3cret" not in said


def test_a_header_of_many_ranges_costs_little(start: Start) -> None:
    address, _ = start()
    for ranges in (",".join(f"{n}-{n}" for n in range(1_500)), ",".join(["0-"] * 4_000)):
        request = f"GET /app.js HTTP/1.1\r\nHost: {address}\r\nRange: bytes={ranges}\r\n\r\n"
        began = time.monotonic()
        assert re.match(rb"HTTP/1.1 (206|200|400|416)", ask(address, request.encode()))
        assert time.monotonic() - began < 10
        assert talk(address, speech()[0][:4_000], "rate=44100")


BEHIND = (
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5;\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "Content-Length : 5\r\n\r\n",
    "X: a\r\n folded\r\n\r\n",
    "X: a\rY: b\r\n\r\n",
    "\r\n",
)
"""Ambiguous ends of a request, which enable request smuggling behind a proxy, are refused."""


def test_nothing_is_answered_behind_a_request(start: Start) -> None:
    """One connection, one answer."""
    address, _ = start()
    behind = f"GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n"
    for odd in BEHIND:
        for method in ("GET", "POST"):
            request = f"{method} /v1/schema.json HTTP/1.1\r\nHost: {address}\r\n{odd}{behind}"
            answer = ask(address, request.encode("latin-1"))
            assert answer.count(b"HTTP/1.1 ") == 1, odd
            assert b'"clients"' not in answer, odd


def test_odd_texts_and_unknown_parameters_are_errors(start: Start) -> None:
    address, process = start()
    with connect(f"ws://{address}/v1/stream") as socket_:
        socket_.send("[" * 100_000)
        assert events_of(socket_)[-1]["code"] == "audio"
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as plain:
        plain.sendall(upgrade(address))
        answer = plain.recv(65536)
        plain.sendall(b"\x81\x82\0\0\0\0\xff\xfe")  # a text message that is no UTF-8
        while b"the only text message is" not in answer:
            part = plain.recv(65536)
            assert part, answer
            answer += part
    with connect(f"ws://{address}/v1/stream?sample_rate=48000") as socket_:
        (error,) = events_of(socket_)
    assert error["code"] == "format"
    assert "'sample_rate' is an unknown parameter: send rate, format" in error["message"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()


@pytest.mark.parametrize("begun", [b"", b"\x82\x82\0\0\0\0\0\1"])
def test_text_that_is_none_is_an_odd_text(start: Start, begun: bytes) -> None:
    """Also after audio, when messages take another code path."""
    address, process = start()
    host, port = address.split(":")
    for text in (b"\xff", b"\xed\xa0\x80", b'{"type": "end"}\xc3'):
        whole = b"\x81" + bytes([128 | len(text)]) + bytes(4) + text
        parts = b"\x01\x81\0\0\0\0" + text[:1] + b"\x80" + bytes([127 + len(text)]) + bytes(4)
        for frames in (whole, parts + text[1:]):
            with socket.create_connection((host, int(port)), timeout=30) as plain:
                plain.sendall(upgrade(address, "/v1/stream?rate=16000"))
                answer = plain.recv(1 << 16)
                plain.sendall(begun)
                time.sleep(0.2)
                plain.sendall(frames)
                while part := plain.recv(1 << 16):
                    answer += part
                    if b"\x88\x02" in part:  # goodbye
                        break
            assert b'"code": "audio"' in answer
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()


def test_a_verbose_log_has_no_token(start: Start) -> None:
    address, process = start("--verbose", "--token-file", "-")
    for path in ("/metrics?token=s3cret", "/metrics?t%6Fken=s3cret", "/v1/stream?token=s3cret"):
        ask(address, f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    for path in (
        "/v1/stream?token=s3cret&rate=1",
        "/v1/stream?t%6Fken=s3cret&rate=1",
        "/x?token=s3cret",
    ):
        ask(address, upgrade(address, path))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert process.stdout is not None
    said = process.stdout.read()
    assert "GET /metrics?token=... HTTP/1.1" in said
    assert "s3cret" not in said
    assert "Logging error" not in said
    assert "Traceback" not in said


def test_half_sent_requests_keep_nobody_out(start: Start) -> None:
    address, process = start(limits="handshake_seconds=2.0, waiting=32")
    host, port = address.split(":")
    with ExitStack() as held:
        half = []
        for _ in range(100):
            half.append(held.enter_context(socket.create_connection((host, int(port)))))
            with suppress(ConnectionError):
                half[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        samples, rate = speech()
        assert len(talk(address, samples[:rate], f"rate={rate}")) > 8
        files = Path(f"/proc/{process.pid}/fd")
        if files.exists():
            assert len(list(files.iterdir())) < 32 + 40
        time.sleep(2.5)
        ended = [one for one in half if select.select([one], [], [], 5)[0]]
        assert len(ended) == 100  # all were told to go
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert process.stdout is not None
    assert len(process.stdout.read()) < 10_000


def test_a_server_ends_whatever_is_going_on(start: Start) -> None:
    address, process = start()
    host, port = address.split(":")
    with ExitStack() as held:
        half = held.enter_context(socket.create_connection((host, int(port))))
        half.sendall(b"GET / HT")
        deaf = held.enter_context(socket.create_connection((host, int(port))))
        deaf.sendall(upgrade(address, "/v1/stream?rate=16000"))
        assert deaf.recv(12) == b"HTTP/1.1 101"
        deaf.sendall(masked(bytes(32_000)) * 8)
        quiet = held.enter_context(connect(f"ws://{address}/v1/stream"))
        quiet.send(b"\x82")  # a sample's half: an error, and no goodbye is read
        time.sleep(0.5)
        process.send_signal(signal.SIGHUP)
        began = time.monotonic()
        assert process.wait(30) == 0
        assert time.monotonic() - began < 20
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()


@pytest.mark.parametrize("kind", ["empty pings", "one-sample messages"])
def test_one_client_costs_another_little(start: Start, kind: str) -> None:
    """The real figures are in bench/results; this machine may be busy."""
    address, _ = start()
    before = watch(f"ws://{address}", 3.0)
    with attack(ATTACKS[kind], f"http://{address}"):
        during = watch(f"ws://{address}", 4.0)
    assert during.share > 0.8 * before.share
    assert during.p99_ms < before.p99_ms + 500
