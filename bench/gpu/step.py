"""The TACN step of many streams: two ways to launch ours, PyTorch's ways, and the bounds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.gpu.ahead_of_time import AheadOfTime
from bench.gpu.bounds import bounds, tacn_work
from bench.gpu.clock import Work, recorded
from bench.gpu.harness import COMPILED, Candidate, Harness, Ready, contest
from bench.gpu.peers import Step, network
from bench.gpu.plan import AHEAD, JIT, ON_DEVICE
from bench.rounds import take_turns
from bench.worker import AbsentError
from edgeser.backends.cuda.triton import host

RECOMPUTED = 64
"""Number of streams above which recomputing a whole receptive field per token is skipped."""


def measure(harness: Harness, streams: int, latencies: int = 1000) -> dict[str, Any]:
    """A contest, and a number of single latencies of ours."""
    case = _Case(harness, streams)
    with torch.no_grad():
        result = contest(
            harness,
            [
                Candidate(AHEAD, case.ahead),
                Candidate(JIT, lambda: case.just_in_time("fp32")),
                Candidate(f"{JIT} bfloat16", lambda: case.just_in_time("bf16"), 0.1),
                Candidate("PyTorch", lambda: case.pytorch(graph=False)),
                Candidate("PyTorch in a CUDA graph", lambda: case.pytorch(graph=True)),
                Candidate("offline recompute", case.offline),
                Candidate(
                    "torch.compile", lambda: case.pytorch(graph=True, compiled=True), slow=True
                ),
            ],
            before_turns=case.age,
            facts={"latencies": []},
        )
    if case.ours and not harness.preparing:
        result["latencies"] = case.ours[0].latencies(latencies)
    return result


def beside_bounds(harness: Harness, streams: int, **sizes: int) -> dict[str, Any]:
    """The step of many streams of different ages, in the same rounds as a copy and a product."""
    case = _Case(harness, streams)
    case.age()
    limits = bounds(harness.device, **sizes)
    works = {JIT: case.step("fp32"), **{name: work for name, (work, _) in limits.items()}}
    facts = {
        "absent": {},
        "amounts": {name: amount for name, (_, amount) in limits.items()},
        "work": tacn_work(harness.tacn, streams),
    }
    rounds = take_turns(
        {name + ON_DEVICE: work.timed_on_device() for name, work in works.items()},
        harness.rounds,
        lambda so_far: harness.leave({**facts, "seconds": so_far.seconds}),
    )
    return {**facts, "seconds": dict(rounds.seconds)}


class _Case:
    """One token for each of many streams, repeatedly."""

    def __init__(self, harness: Harness, streams: int) -> None:
        self.harness, self.shape, self.streams = harness, harness.tacn, streams
        self.field = 1 + sum(self.shape.slots)
        generator = torch.Generator().manual_seed(1)
        self.tokens = torch.randn(streams, self.shape.width, generator=generator).to(harness.device)
        self.order = torch.randperm(streams, generator=generator).to(harness.device, torch.int32)
        size = (streams, self.shape.block_bytes)
        self.arena = torch.zeros(size, dtype=torch.uint8, device=harness.device)
        self.logits = torch.empty(streams, self.shape.outputs, device=harness.device)
        self.ours: list[Work] = []
        """Our work, kept alive."""

    @cached_property
    def peer(self) -> Step:
        """PyTorch's version, with its own rings."""
        return Step(self.harness, self.streams)

    def age(self) -> None:
        """Gives the streams different ages, so that their positions in the rings differ."""
        ages = np.random.default_rng(2).integers(0, 1 << 20, self.streams)
        self.arena.view(torch.int64)[:, 0] = self.harness.tensor(ages)

    def step(self, precision: str) -> Work:
        """Ours, launched by Triton."""
        model = host.TacnStep(
            self.shape, self.harness.bundle.tensors, precision, self.harness.device
        )
        return recorded(
            lambda: model(self.tokens, self.arena, self.order, self.logits), self.harness.device
        )

    def ahead(self) -> Ready:
        work = AheadOfTime(self.harness).tacn_step(self.tokens, self.arena, self.order, self.logits)
        self.ours.append(work)
        return self._settled(work, lambda: self.logits)

    def just_in_time(self, precision: str) -> Ready:
        work = self.step(precision)
        self.ours.append(work)
        return self._settled(work, lambda: self.logits)

    def pytorch(self, graph: bool, compiled: bool = False) -> Ready:
        run: Callable[..., Tensor] = self.peer
        if compiled:
            run = torch.compile(run, mode=COMPILED, dynamic=False, fullgraph=True)
        kept: list[Tensor] = []

        def call() -> None:
            kept[:] = [run(self.tokens, fused=not compiled)]

        call()
        work = recorded(call, self.harness.device) if graph else Work(call, self.harness.device)
        return self._settled(work, lambda: kept[0])

    def offline(self) -> Ready:
        if self.streams > RECOMPUTED:
            raise AbsentError(f"{self.field} tokens for each of {self.streams:,} streams")
        layers, weight, bias = network(self.harness)
        whole = self.tokens[:, None].repeat(1, self.field, 1)
        kept: list[Tensor] = []

        def call() -> None:
            kept[:] = [layers(whole)[:, -1] @ weight + bias]

        work = recorded(call, self.harness.device)
        work.call()
        work.wait()
        return Ready(work, kept[0].cpu().numpy())

    def _settled(self, work: Work, logits: Callable[[], Tensor]) -> Ready:
        # With the same token repeated, all answers agree after a receptive field.
        for _ in range(self.field):
            work.call()
        work.wait()
        return Ready(work, logits().cpu().numpy().copy())
