"""Message and byte budgets, and fair scheduling of connections."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("websockets")
from websockets.frames import Frame, Opcode

from edgeser.serve.budget import Budget
from edgeser.serve.door import group_of
from edgeser.serve.quiet import Bounded, hidden
from edgeser.serve.turns import TURN_FRAMES, FrameCounter, Turns

SIZES = st.sampled_from([0, 1, 125, 126, 127, 700, 65_536])


@settings(deadline=None, max_examples=40)
@given(
    frames=st.lists(st.tuples(SIZES, st.booleans()), min_size=1, max_size=8),
    pieces=st.sampled_from([1, 3, 200, 5_000]),
    most=st.integers(1, 3),
)
def test_frames_are_counted_however_they_are_cut(
    frames: list[tuple[int, bool]], pieces: int, most: int
) -> None:
    made = [
        Frame(Opcode.BINARY, b"x" * n).serialize(mask=masked, extensions=[]) for n, masked in frames
    ]
    stream, counter, kept, seen = b"".join(made), FrameCounter(), b"", 0
    starts = {sum(map(len, made[:k])) for k in range(len(made) + 1)}
    taken = 0
    for at in range(0, len(stream), pieces):
        kept += stream[at : at + pieces]
        while True:
            size, begun = counter.cut(kept, most, 70_000)
            assert size <= 70_000
            assert begun <= most
            if not size:
                break
            seen, taken, kept = seen + begun, taken + size, kept[size:]
            if begun == most and kept:
                assert taken in starts or len(kept) < 14  # it ends where a frame does
    assert (seen, kept, taken) == (len(frames), b"", len(stream))


def test_a_budget_saves_up_no_more_than_its_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("edgeser.serve.budget.time.monotonic", lambda: now[0])
    budget = Budget(rate=4.0, burst=10.0)
    assert budget.take(10.0) == 0
    assert budget.take(2.0) == pytest.approx(0.5)
    now[0] += 3600.0
    assert budget.take(10.0) == 0
    assert budget.take(1.0) == pytest.approx(0.25)
    assert not budget.may_take(1.0)
    now[0] += 0.5
    assert budget.may_take(1.0)
    assert not budget.may_take(1.0)


class Pipe:
    """A transport that notes whether it is read."""

    reading, aborted, unsent = True, False, 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unsent


def turns(pipe: Any, fed: list[bytes], rate: float = 1e9) -> Turns:
    return Turns(pipe, fed.append, Budget(rate, max(rate, 32)), Budget(1e9, 1e9))


PING = b"\x89\x80\0\0\0\0"


def test_many_frames_are_fed_in_small_parts_and_others_have_their_turn() -> None:
    async def run() -> None:
        pipe, fed, between = Pipe(), list[bytes](), 0
        ours = turns(pipe, fed)
        ours.received(PING * 1000)
        assert fed == [PING * TURN_FRAMES]
        ours.received(PING)
        assert not pipe.reading  # there is enough of it here
        while sum(map(len, fed)) < len(PING) * 1001:
            between += 1
            await asyncio.sleep(0)
        assert between >= 1000 // TURN_FRAMES - 1
        assert b"".join(fed) == PING * 1001
        assert pipe.reading

    asyncio.run(run())


def test_who_sends_more_than_the_budget_is_read_more_slowly() -> None:
    async def run() -> None:
        pipe, fed = Pipe(), list[bytes]()
        ours = turns(pipe, fed, rate=100.0)
        ours.received(PING * 10_000)
        await asyncio.sleep(0.5)
        assert 100 <= sum(map(len, fed)) / len(PING) <= 100 + 100 + 2 * TURN_FRAMES

    asyncio.run(run())


def test_a_held_connection_is_fed_nothing_until_it_goes_on() -> None:
    async def run() -> None:
        pipe, fed = Pipe(), list[bytes]()
        ours = turns(pipe, fed)
        ours.hold()
        ours.received(PING)
        await asyncio.sleep(0)
        assert (fed, pipe.reading) == ([], False)
        ours.go_on()
        await asyncio.sleep(0)
        assert (fed, pipe.reading) == ([PING], True)
        pipe.unsent = 1 << 21
        ours.received(PING)
        assert pipe.aborted  # who makes the server answer and never reads

    asyncio.run(run())


def test_addresses_of_one_subscriber_count_as_one() -> None:
    assert group_of("192.0.2.1") == group_of("::ffff:192.0.2.1") != group_of("192.0.2.2")
    assert group_of("2001:db8::1") == group_of("2001:db8::ffff:1") != group_of("2001:db8:0:1::1")


def test_logs_are_bounded_and_hide_tokens() -> None:
    bound = Bounded(lines=3, seconds=60.0)
    lines = [
        logging.LogRecord("x", logging.WARNING, "", 0, "GET /?token=%s&a=b", ("s3cret",), None)
        for _ in range(100)
    ]
    assert [bound.filter(line) for line in lines].count(True) == 3
    assert lines[0].getMessage() == "GET /?token=...&a=b"
    bound._since -= 61
    assert bound.filter(lines[50])
    assert "97 lines before this one were left out" in lines[50].getMessage()


@pytest.mark.parametrize(
    "name", ["token", "TOKEN", "t%6Fken", "%74%6f%6b%65%6e", "access_token", "x&token"]
)
def test_a_token_is_hidden_however_its_name_is_written(name: str) -> None:
    line = hidden(
        f'1.2.3.4:5 - "GET /v1/stream?rate=16000&{name}=s3%63ret&channels=1 HTTP/1.1" 403'
    )
    assert "s3%63ret" not in line
    assert line.startswith('1.2.3.4:5 - "GET /v1/stream?rate=16000&')
    assert line.endswith('&channels=1 HTTP/1.1" 403')


@pytest.mark.parametrize("token", ["s3'cret", 's3"cret', "'s3cret'", 's3cret"', "s3'c're't"])
@pytest.mark.parametrize(
    "line", ["GET /metrics?token={}", '1.2.3.4:5 - "WebSocket /v1/stream?token={}" [accepted]']
)
def test_all_of_a_token_with_quotes_is_hidden(line: str, token: str) -> None:
    assert hidden(line.format(token)) == line.format("...")
    assert hidden(line.format(f"{token}&rate=8000")) == line.format("...&rate=8000")


def test_a_long_line_is_read_quickly() -> None:
    began = time.monotonic()
    for odd in ("a" * 100_000, "a=" * 50_000, "%" * 100_000, "token" * 20_000, "token='&" * 12_500):
        hidden(odd)
    assert time.monotonic() - began < 5


def test_lines_of_requests_keep_what_their_formatter_wants() -> None:
    """uvicorn's takes the arguments one by one."""
    bound = Bounded()
    sent = ("1.2.3.4:5", "GET", "/metrics?token=s3cret", "1.1", 200)
    line = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', sent, None
    )
    assert bound.filter(line)
    assert line.args == ("1.2.3.4:5", "GET", "/metrics?token=...", "1.1", 200)
