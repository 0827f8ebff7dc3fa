"""The benchmark tool: correct measurements in all output formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import edgeser
from edgeser.bench.measure import Latency, paced, resident_mib, throughput
from edgeser.cli import app


def test_latencies_are_summed_up() -> None:
    seconds = [0.001] * 98 + [0.010, 0.200]
    latency = Latency.of(seconds, deadline=0.128)
    assert (latency.count, latency.missed) == (100, 1)
    assert latency.p50 == pytest.approx(1.0)
    assert latency.p99 == pytest.approx(float(np.percentile(1000 * np.array(seconds), 99)))
    assert latency.worst == pytest.approx(200.0)


def test_every_hop_has_a_latency() -> None:
    model = edgeser.load()
    latencies, memory, busy = paced(model, 0.05, True, lambda _: None)
    assert len(latencies) == int(3.0 / model.hop)
    assert min(latencies) > 0
    assert sum(latencies) <= busy
    assert all(mib > 10 for mib in memory)


def test_real_time_takes_real_time() -> None:
    latencies, _, busy = paced(edgeser.load(), 0.02, False, lambda _: None)
    assert len(latencies) == 9
    assert busy < 1.2


def test_throughput_and_memory_are_of_this_machine() -> None:
    one = throughput(edgeser.load(), 2, seconds=0.05)
    assert one.streams == 2
    assert one.in_real_time == pytest.approx(3600 / one.seconds_an_hour)
    assert resident_mib() > 10


def test_the_command(tmp_path: Path) -> None:
    options = ["bench", "--minutes", "0.03", "--flat-out", "--streams", "1,2"]
    said = CliRunner().invoke(app, [*options, "--json", "--plot", str(tmp_path / "bench.png")])
    assert said.exit_code == 0, said.output
    report = json.loads(said.stdout)
    assert report["latency"]["count"] == len(report["latencies"]) == 14
    assert [t["streams"] for t in report["throughput"]] == [1, 2]
    assert report["cold_start_ms"] > report["import_ms"] > 0
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    plain = CliRunner().invoke(app, options)
    assert "missed deadlines" in plain.stdout
    odd = CliRunner().invoke(app, ["bench", "--streams", "many"])
    assert odd.exit_code == 2
    assert "give numbers" in odd.output


def test_info_tells_what_a_bundle_is() -> None:
    plain = CliRunner().invoke(app, ["info"])
    assert plain.exit_code == 0
    model = edgeser.load()
    assert model.licence in plain.stdout
    about = json.loads(CliRunner().invoke(app, ["info", "--json"]).stdout)
    assert about["hash"] == model.hash
    assert about["manifest"]["labels"] == list(model.labels)
