"""How many microphones a server holds, small."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
if not sys.platform.startswith("linux"):
    pytest.skip("CPU and memory are read from /proc", allow_module_level=True)

from bench.crowd import Told
from bench.microphones import ROOMS, Room, hear, in_time, row, table

TOLD = Told(
    clients=1000,
    seconds=10.0,
    heard=9950.0,
    frames=78_000,
    lost=0,
    p50_ms=20.0,
    p99_ms=127.0,
    late_p99_ms=2.0,
    milliseconds=1.5,
    clients_milliseconds=0.1,
)


@pytest.mark.parametrize("room", [ROOMS[1], ROOMS[-1]], ids=lambda room: room.name)
def test_clients_of_a_room_are_heard_and_timed(room: Room) -> None:
    told = hear(room, 5, 1.0, "--workers", "1")
    assert told.clients == 5
    assert told.heard == pytest.approx(5 * told.seconds, rel=0.3)
    assert 0 < told.p50_ms <= told.p99_ms
    assert told.p50_ms < 1000  # no matter when a client began
    assert told.milliseconds > 0


def test_in_time_is_all_audio_with_nearly_all_frames_before_the_next() -> None:
    assert in_time(TOLD)
    assert not in_time(replace(TOLD, p99_ms=129.0))
    assert not in_time(replace(TOLD, heard=9000.0))  # it falls behind
    assert not in_time(replace(TOLD, lost=1))


def test_a_table_says_what_both_took_and_how_far_it_went() -> None:
    late = replace(TOLD, clients=1250, p99_ms=400.0)
    assert row(TOLD) == "| 1,000 | 20.0 | 127.0 | 2.0 | 1.49 | 0.10 | 1.50 |"
    assert "In time up to **1,000 clients**." in table(ROOMS[0], [TOLD, late])
    assert "Not even these were in time." in table(ROOMS[0], [late])
