"""How many streams one GPU can step in real time, each with its own state."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bench.gpu.clock import recorded
from bench.gpu.harness import Harness, why
from edgeser.backends.cuda.triton import host

LADDER = (16_384, 65_536, 100_000, 200_000, 400_000, 800_000)
HOP_SECONDS = 0.128


def measure(harness: Harness, ladder: tuple[int, ...] = LADDER, steps: int = 200) -> dict[str, Any]:
    """Percentiles of a step in seconds for increasing numbers of streams, until one is too slow.

    ``stopped`` is the reason: time or memory.
    """
    result: dict[str, Any] = {"steps": {}, "stopped": None}
    in_time = {"stopped": "its time ended"}
    for streams in ladder:
        if harness.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            p50, p99 = _step(harness, streams, steps)
        except torch.cuda.OutOfMemoryError as error:
            result["stopped"] = f"{streams:,} streams: {why(error)}"
            break
        result["steps"][str(streams)] = {"p50": p50, "p99": p99}
        harness.leave({**result, **in_time})
        if p99 > HOP_SECONDS:
            result["stopped"] = f"{streams:,} streams take {1000 * p99:.0f} ms"
            break
    return result


def _step(harness: Harness, streams: int, steps: int) -> tuple[float, float]:
    shape, vq = harness.tacn, harness.vq
    step = host.TacnStep(shape, harness.bundle.tensors, "fp32", harness.device)
    lookup = host.VQFusion(vq, harness.bundle.tensors, "fp32", harness.device)
    arena = step.arena(streams)
    arena.view(torch.int64)[:, 0] = torch.randint(0, 1 << 20, (streams,)).to(harness.device)
    rows = torch.randperm(streams).to(harness.device, torch.int32)
    deep = torch.randn(streams, vq.deep_width, device=harness.device)
    latent = torch.randn(streams, vq.positions, vq.code_width, device=harness.device)
    logits = torch.empty(streams, shape.outputs, device=harness.device)

    def call() -> None:
        tokens, _ = lookup(deep, latent)
        step(tokens, arena, rows, logits)

    work = recorded(call, harness.device)
    p50, p99 = np.percentile(work.latencies(steps), [50, 99])
    return float(p50), float(p99)
