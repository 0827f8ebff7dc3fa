"""``stream.process`` and pools on a GPU, and the share that is not the GPU's graphs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import edgeser
from bench.gpu.harness import Harness
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.runtime import size_for
from edgeser.bench.measure import SETTLING_STEPS, speech_like
from edgeser.bundle.paths import DEFAULT_BUNDLE

POOLS = (1, 16, 256)


def measure(harness: Harness) -> dict[str, Any]:
    """Results for the bundled model with kernels compiled ahead of time. Raises EdgeserError."""
    return figures(
        edgeser.load(DEFAULT_BUNDLE, backend="cuda", kernels=harness.kernels), leave=harness.leave
    )


def figures(
    model: edgeser.Model,
    hops: int = 300,
    pools: tuple[int, ...] = POOLS,
    leave: Callable[[Mapping[str, Any]], object] = lambda _: None,
) -> dict[str, Any]:
    """Seconds per hop, by the number of streams with a hop at the same time; and graphs alone."""
    engine = model._engine
    assert isinstance(engine, CudaEngine)
    runtime = engine.runtime
    result: dict[str, Any] = {"front_end": runtime.front_end.title, "pools": {}}
    for streams in pools:
        p50, p99 = np.percentile(_hops(model, streams, hops), [50, 99])
        size = size_for(streams)
        graphs = [runtime._lookup(size).graph, runtime._step(size).graph]
        bare = []
        for _ in range(hops):
            began = time.perf_counter()
            for graph in graphs:
                graph.launch()
                runtime.device.synchronize()
            bare.append(time.perf_counter() - began)
        of_graph = float(np.median(bare))
        result["pools"][str(streams)] = {"p50": float(p50), "p99": float(p99), "graph": of_graph}
        leave(result)
    return result


def _hops(model: edgeser.Model, streams: int, hops: int) -> list[float]:
    rate = model.sample_rate
    hop = round(model.hop * rate)
    audio = speech_like(8.0, rate)
    pool = model.pool()
    members = [pool.stream(rate) for _ in range(streams)]
    seconds = []
    for n in range(hops + SETTLING_STEPS):
        chunk = audio[n * hop % (len(audio) - hop) :][:hop]
        began = time.perf_counter()
        if streams == 1:
            members[0].process(chunk)
        else:
            pool.process(dict.fromkeys(members, chunk))
        seconds.append(time.perf_counter() - began)
    return seconds[SETTLING_STEPS:]
