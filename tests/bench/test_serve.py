"""A small run of the server's load test."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

from bench.serve import load, server

if not Path("/proc/self/stat").exists():
    pytest.skip("CPU and memory are read from /proc", allow_module_level=True)


def test_every_frame_of_every_client_is_timed() -> None:
    with server() as (address, pid):
        seen = load(address, pid, clients=3, seconds=1.5, rate=16_000)
    assert seen.frames == pytest.approx(3 * 1.5 / 0.128, abs=10)
    assert 0 < seen.p50_ms <= seen.p99_ms <= seen.worst_ms
    assert 0 < seen.server_cpu < 2
    assert seen.server_mib > 10
