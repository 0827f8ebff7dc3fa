"""A training step through the TACN: with our operator, in plain PyTorch, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.gpu.clock import Work
from bench.gpu.harness import Candidate, Harness, Ready, contest
from bench.gpu.peers import network


def measure(harness: Harness, batch: int = 32, time: int = 128) -> dict[str, Any]:
    """A contest of forward and backward passes under bfloat16 autocast, launched as in training."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, time, harness.tacn.width, generator=generator).to(harness.device)

    def candidate(by_operator: bool, compiled: bool) -> Ready:
        model, _, _ = network(harness)
        forward: Callable[[Tensor], Tensor] = model
        if by_operator and harness.device.type != "cuda":
            forward = _interpreted(model)
        model.use_operator(by_operator)
        if compiled:
            forward = torch.compile(model, dynamic=False)
        kept: list[Tensor] = []

        def call() -> None:
            model.zero_grad(set_to_none=True)
            with torch.autocast(harness.device.type, torch.bfloat16):
                y = forward(x)
            y.float().square().mean().backward()
            kept[:] = [y]

        call()
        return Ready(Work(call, harness.device), kept[0].detach().float().cpu().numpy())

    return contest(
        harness,
        [
            Candidate("edgeser", lambda: candidate(by_operator=True, compiled=False), 0.05),
            Candidate("PyTorch", lambda: candidate(by_operator=False, compiled=False), 0.05),
            Candidate(
                "torch.compile",
                lambda: candidate(by_operator=False, compiled=True),
                0.05,
                slow=True,
            ),
        ],
    )


def _interpreted(model: torch.nn.Module) -> Callable[[Tensor], Tensor]:
    """Uses the operator where ``forward`` would not: on a CPU, in tests."""

    def forward(x: Tensor) -> Tensor:
        for layer in model.layers:  # type: ignore[union-attr]
            x = layer.forward_by_operator(x)
        return x

    return forward
