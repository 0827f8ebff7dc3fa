"""The server as its clients find it: a real one, over a real socket."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import edgeser
from edgeser.utterances import Utterance, Utterances
from tests.serve.conftest import Start

pytest.importorskip("websockets")
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def speech() -> tuple[npt.NDArray[np.int16], int]:
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    return samples, rate


def events_of(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything until the server closes."""
    events = []
    try:
        while True:
            events.append(json.loads(socket.recv(timeout=20)))
    except ConnectionClosed:
        return events


def talk(address: str, samples: npt.NDArray[Any], query: str) -> list[dict[str, Any]]:
    """Send it all and hear it all."""
    with connect(f"ws://{address}/v1/stream?{query}") as socket:
        for at in range(0, len(samples), 4_000):
            socket.send(samples[at : at + 4_000].tobytes())
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


def test_a_client_hears_what_a_program_would(start: Start) -> None:
    address, _ = start()
    samples, rate = speech()
    events = talk(address, samples, f"rate={rate}")
    status, schema = get(address, "/v1/schema.json")
    assert status == 200
    for event in events:
        jsonschema.validate(event, json.loads(schema))
    assert events[0]["type"] == "ready"
    frames = [e for e in events if e["type"] == "frame"]
    said = [e for e in events if e["type"] == "utterance"]
    times = [frame["time"] for frame in frames]
    assert times == sorted(times)
    assert len(frames) >= len(samples) / rate / 0.128 - 1
    ours = Utterances(edgeser.load(), rate)
    expected = [*ours.process(samples), *ours.flush()]
    labels = [e.label for e in expected if isinstance(e, Utterance)]
    assert said
    assert abs(len(said) - len(labels)) <= 1  # a reset falls elsewhere where chunks end elsewhere
    assert {e["label"] for e in said} & set(labels)
    starts = [e for e in events if e["type"] == "speech_started"]
    assert len(starts) == len(said)
    _, metrics = get(address, "/metrics")
    assert f"edgeser_utterances_total {float(len(said))}" in metrics
    assert "edgeser_connections 0.0" in metrics


def test_many_clients_share_the_worker_and_not_their_results(start: Start) -> None:
    address, _ = start()
    samples, rate = speech()
    alone = talk(address, samples[: 3 * rate], f"rate={rate}")
    wanted = [e for e in alone if e["type"] == "frame"]
    with ExitStack() as open_sockets:
        url = f"ws://{address}/v1/stream?rate={rate}"
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


def test_stereo_floats_are_heard_as_well(start: Start) -> None:
    address, _ = start()
    samples, rate = speech()
    part = samples[: 2 * rate]
    stereo = (np.stack([part, part], axis=1) / 32768).astype(np.float32)
    mono = talk(address, part, f"rate={rate}")
    both = talk(address, stereo, f"rate={rate}&format=float32&channels=2")
    assert len(both) == len(mono)
    assert both[5]["speech"] == pytest.approx(mono[5]["speech"], abs=1e-3)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("rate=1000", "rate"),
        ("rate=-1", "rate='-1' is no whole number"),
        ("format=mp3", "format=mp3 is unknown: send int16 or float32"),
        ("channels=0", "channels=0: send 1 to 32"),
    ],
)
def test_odd_formats_are_named(start: Start, query: str, said: str) -> None:
    address, _ = start()
    with connect(f"ws://{address}/v1/stream?{query}") as socket:
        (error,) = events_of(socket)
    assert (error["type"], error["code"]) == ("error", "format")
    assert said in error["message"]


def test_bad_messages_end_their_own_connection_only(start: Start) -> None:
    address, _ = start()
    samples, rate = speech()
    with connect(f"ws://{address}/v1/stream?rate={rate}") as well:
        for bad in (b"\0\0\0", "hello", '{"type": "start"}'):
            with connect(f"ws://{address}/v1/stream") as socket:
                socket.send(bad)
                error = events_of(socket)[-1]
            assert (error["type"], error["code"]) == ("error", "audio")
        with connect(f"ws://{address}/v1/stream?format=float32") as socket:
            socket.send(np.full(100, np.nan, np.float32).tobytes())
            assert "NaN" in events_of(socket)[-1]["message"]
        with connect(f"ws://{address}/v1/stream") as socket:
            socket.send(bytes(1 << 19))
            assert events_of(socket)[-1]["type"] != "frame"
        well.send(samples[:rate].tobytes())
        well.send('{"type": "end"}')
        assert [e["type"] for e in events_of(well)].count("frame") == 8


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
