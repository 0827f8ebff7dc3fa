"""Binary frames equal JSON frames, and the fast path of the protocol equals the parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeser
from edgeser.results import EmotionFrame
from edgeser.serve.encoding import FrameLayout, encode_json
from edgeser.serve.protocol import frame_event, version_of
from tests.serve.clients import speech

pytest.importorskip("websockets")
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from edgeser.serve.whole import framed, whole_messages

LABELS = ("neutral", "anger", "sadness")
VERSION = "0.2.0+5e56bd4e"
REAL = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(
    label=st.sampled_from([None, *LABELS]),
    numbers=st.lists(REAL, min_size=5, max_size=5),
    shares=st.lists(REAL, min_size=3, max_size=3),
)
def test_binary_holds_what_json_does(
    label: str | None, numbers: list[float], shares: list[float]
) -> None:
    time, confidence, level, speech_score, latency = numbers
    probabilities = dict(zip(LABELS, shares, strict=True))
    frame = EmotionFrame(time, label, confidence, probabilities, speech_score, level)
    layout = FrameLayout(LABELS, VERSION)
    packed = layout.pack(frame, latency)
    assert len(packed) == 48 + 8 * 3
    event = frame_event(frame, latency, VERSION)
    assert layout.unpack(packed * 2) == [event, event]
    assert json.loads(encode_json(event)) == event


def test_what_is_no_frame_is_named() -> None:
    layout = FrameLayout(LABELS, VERSION)
    for odd in (b"", b"\1" * 71, b"\2" + bytes(71)):
        with pytest.raises(ValueError, match="frame"):
            layout.unpack(odd)


def test_a_frame_of_another_model_is_named() -> None:
    frame = EmotionFrame(0, None, 0.5, dict.fromkeys(LABELS, 1 / 3), 0, -20)
    other = FrameLayout(LABELS, "0.3.0+00000001").pack(frame, 0)
    with pytest.raises(ValueError, match="a frame of the model 00000001, not of 5e56bd4e"):
        FrameLayout(LABELS, VERSION).unpack(other)


def heard(address: str, query: str) -> list[Any]:
    """Events and messages in binary, of the same speech each time."""
    samples, rate = speech()
    with connect(f"ws://{address}/v1/stream?rate={rate}&{query}") as socket:
        for at in range(0, len(samples), rate // 10):
            socket.send(samples[at : at + rate // 10].tobytes())
        socket.send('{"type": "end"}')
        came: list[Any] = []
        try:
            while True:
                message = socket.recv(timeout=30)
                came.append(message if isinstance(message, bytes) else json.loads(message))
        except ConnectionClosed:
            return came


def without_latency(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in event.items() if k != "latency_ms"} for event in events]


def test_a_client_hears_the_same_in_binary_and_less_if_it_asks_for_less(shared: str) -> None:
    in_json = heard(shared, "encoding=json")
    frames = [e for e in in_json if e["type"] == "frame"]
    others = [e for e in in_json if e["type"] != "frame"]
    model = edgeser.load()
    layout = FrameLayout(model.labels, version_of(model))

    came = heard(shared, "encoding=binary")
    unpacked = [f for m in came if isinstance(m, bytes) for f in layout.unpack(m)]
    assert without_latency(unpacked) == without_latency(frames)
    assert len(frames) > 100
    assert [e for e in came if not isinstance(e, bytes)] == others

    spoken = heard(shared, "frames=spoken")
    wanted = {frame["time"] for e in others if e["type"] == "utterance" for frame in e["timeline"]}
    assert [e for e in spoken if e["type"] != "frame"] == others
    told = [e for e in spoken if e["type"] == "frame"]
    assert wanted <= {e["time"] for e in told}
    assert len(told) < len(frames)
    assert heard(shared, "frames=none") == others


@pytest.mark.parametrize(
    ("query", "message"), [("frames=some", "frames=some"), ("encoding=xml", "encoding=xml")]
)
def test_what_cannot_be_asked_for_is_named(shared: str, query: str, message: str) -> None:
    (error,) = heard_until_closed(shared, query)
    assert error["code"] == "format"
    assert message in error["message"]


def heard_until_closed(address: str, query: str) -> list[dict[str, Any]]:
    with connect(f"ws://{address}/v1/stream?{query}") as socket:
        came = []
        try:
            while True:
                came.append(json.loads(socket.recv(timeout=30)))
        except ConnectionClosed:
            return came


@settings(deadline=None)
@given(
    payloads=st.lists(st.binary(max_size=300), max_size=4), big=st.sampled_from([0, 126, 70_000])
)
def test_whole_messages_are_those_that_were_sent(payloads: list[bytes], big: int) -> None:
    payloads = [*payloads, b"x" * big]
    made = b"".join(
        Frame(Opcode.BINARY, each).serialize(mask=True, extensions=[]) for each in payloads
    )
    assert whole_messages(made, 80_000) == payloads
    assert whole_messages(made[:-1], 80_000) is None
    assert whole_messages(made, max(map(len, payloads)) - 1) is None or not any(payloads)
    for payload in payloads:
        frame = Frame(Opcode.BINARY, payload)
        assert framed(payload) == frame.serialize(mask=False, extensions=[])


@pytest.mark.parametrize(
    ("opcode", "fin", "mask"),
    [
        (Opcode.TEXT, True, True),
        (Opcode.PING, True, True),
        (Opcode.CLOSE, True, True),
        (Opcode.BINARY, False, True),
        (Opcode.CONT, True, True),
        (Opcode.BINARY, True, False),
    ],
)
def test_everything_else_is_for_the_parser(opcode: Opcode, fin: bool, mask: bool) -> None:
    frame = Frame(opcode, b"12", fin).serialize(mask=mask, extensions=[])
    assert whole_messages(frame, 100) is None
