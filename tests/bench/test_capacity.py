"""Small runs of the capacity benchmark."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
if not sys.platform.startswith("linux"):
    pytest.skip("CPU and memory are read from /proc", allow_module_level=True)

from bench.capacity import WORKLOADS, Workload, measure, serving
from bench.crowd import Crowd, family


@pytest.mark.parametrize("workload", [WORKLOADS[1], WORKLOADS[-1]], ids=["json", "mostly quiet"])
def test_the_server_processes_all_audio(workload: Workload) -> None:
    stats, empty, full = measure(workload, 10, 2.0)
    assert stats.heard == pytest.approx(10 * 2.0, rel=0.1)
    assert stats.lost == 0
    assert stats.milliseconds > 0.1  # the model alone takes more
    assert 10 < empty <= full


def test_a_crowd_in_real_time_measures_latency() -> None:
    with serving() as (address, pid):
        crowd = Crowd(address, 4, seconds=0.1, witnesses=4, query="encoding=binary")
        stats = crowd.talk(0.5, 2.0, family(pid))
        crowd.close()
    assert stats.frames == pytest.approx(4 * 2.0 / 0.128, abs=12)
    assert 0 < stats.p50_ms <= stats.p99_ms
    assert stats.lost == 0
