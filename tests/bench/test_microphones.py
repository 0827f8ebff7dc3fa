"""Small runs of the benchmark of live microphones."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
if not sys.platform.startswith("linux"):
    pytest.skip("CPU and memory are read from /proc", allow_module_level=True)

from bench.crowd import CrowdStats
from bench.microphones import SCENARIOS, Scenario, in_time, measure, row, table

STATS = CrowdStats(
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


@pytest.mark.parametrize(
    "scenario", [SCENARIOS[1], SCENARIOS[-1]], ids=lambda scenario: scenario.name
)
def test_clients_in_real_time_are_measured(scenario: Scenario) -> None:
    stats = measure(scenario, 5, 1.0, "--workers", "1")
    assert stats.clients == 5
    assert stats.heard == pytest.approx(5 * stats.seconds, rel=0.3)
    assert 0 < stats.p50_ms <= stats.p99_ms
    assert stats.p50_ms < 1000  # no matter when a client began
    assert stats.milliseconds > 0


def test_in_time_is_all_audio_with_nearly_all_frames_before_the_next() -> None:
    assert in_time(STATS)
    assert not in_time(replace(STATS, p99_ms=129.0))
    assert not in_time(replace(STATS, heard=9000.0))  # it falls behind
    assert not in_time(replace(STATS, lost=1))


def test_a_table_has_the_costs_and_the_highest_number_of_clients() -> None:
    late = replace(STATS, clients=1250, p99_ms=400.0)
    assert row(STATS) == "| 1,000 | 20.0 | 127.0 | 2.0 | 1.49 | 0.10 | 1.50 |"
    assert "In time up to **1,000 clients**." in table(SCENARIOS[0], [STATS, late])
    assert "Late already with these clients." in table(SCENARIOS[0], [late])
