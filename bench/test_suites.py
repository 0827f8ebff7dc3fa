"""The contests as pytest-benchmark suites: ``pytest bench``.

Between two of our rounds every peer has a turn in its own process, so that ratios are taken within
a round, as in the report; ``extra_info`` has their medians. No test here fails for being slow.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from bench import front_end, process
from bench.rounds import Rounds, timed
from bench.tacn import suite as tacn
from bench.vq import suite as vq
from bench.worker import Contestant, Entry, started

pytest.importorskip("pytest_benchmark")

ROUNDS = 9
ROUND_SECONDS = 0.004


def versus(benchmark: Any, ours: Entry, peers: list[Entry]) -> None:
    """Benchmarks ``ours`` in this process; the peers take turns with it in theirs."""
    module, function = ours.factory.split(":")
    made: Contestant = getattr(importlib.import_module(module), function)(**ours.arguments)
    calls = max(1, round(ROUND_SECONDS / timed(made.call)))

    def a_round() -> None:
        for _ in range(calls):
            made.call()

    with started(peers) as (workers, absent):
        seconds: dict[str, list[float]] = {name: [] for name in workers}

        def peers_turn() -> None:
            for name, worker in workers.items():
                seconds[name].append(worker.seconds())
            made.call()

        benchmark.pedantic(a_round, setup=peers_turn, rounds=ROUNDS, iterations=1)
    benchmark.extra_info |= {"calls_a_round": calls, "absent": absent}
    ours_seconds = [each / calls for each in benchmark.stats.stats.data]
    rounds = Rounds({ours.name: ours_seconds, **seconds})
    for name in workers:
        benchmark.extra_info[f"{name}, times ours"] = rounds.ratio(name, ours.name)
    assert np.isfinite(ours_seconds).all()


@pytest.mark.parametrize(("width", "batch"), tacn.SIZES)
def test_tacn_step(benchmark: Any, width: int, batch: int) -> None:
    ours, *peers = tacn.entries(width, batch)
    versus(benchmark, ours, peers)


@pytest.mark.parametrize("vectors", vq.LOOKUPS)
def test_vq_lookup(benchmark: Any, vectors: int) -> None:
    ours, *peers = vq.entries(vectors, lookup=True)
    versus(benchmark, ours, peers)


@pytest.mark.parametrize("tokens", vq.FUSIONS)
def test_vq_fusion(benchmark: Any, tokens: int) -> None:
    ours, *peers = vq.entries(tokens, lookup=False)
    versus(benchmark, ours, peers)


@pytest.mark.parametrize("segments", front_end.BATCHES)
def test_front_end(benchmark: Any, segments: int) -> None:
    ours, *peers = front_end.entries(segments)
    versus(benchmark, ours, peers)


def test_stream(benchmark: Any) -> None:
    ours, *peers = process.whole()
    versus(benchmark, ours, peers)


def test_pool(benchmark: Any) -> None:
    ours, *peers = process.pools()
    versus(benchmark, ours, peers)
