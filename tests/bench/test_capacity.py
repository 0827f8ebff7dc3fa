"""What a microphone costs the server, small."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
if not sys.platform.startswith("linux"):
    pytest.skip("CPU and memory are read from /proc", allow_module_level=True)

from bench.capacity import WAYS, measure, serving
from bench.crowd import Crowd, family


@pytest.mark.parametrize("way", [WAYS[1], WAYS[-1]], ids=["json", "mostly quiet"])
def test_what_is_heard_is_what_was_said(way) -> None:  # type: ignore[no-untyped-def]
    told, empty, full = measure(way, 10, 2.0)
    assert told.heard == pytest.approx(10 * 2.0, rel=0.1)
    assert told.lost == 0
    assert told.milliseconds > 0.1  # the model alone takes more
    assert 10 < empty <= full


def test_a_crowd_at_the_pace_of_real_time_tells_how_late_frames_are() -> None:
    with serving() as (address, pid):
        crowd = Crowd(address, 4, seconds=0.1, witnesses=4, query="encoding=binary")
        told = crowd.talk(0.5, 2.0, family(pid))
        crowd.close()
    assert told.frames == pytest.approx(4 * 2.0 / 0.128, abs=12)
    assert 0 < told.p50_ms <= told.p99_ms
    assert told.lost == 0
