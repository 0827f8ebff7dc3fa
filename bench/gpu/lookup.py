"""The VQ lookup with its fusion: ours, PyTorch's, and only the product of vectors and codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.gpu.ahead_of_time import AheadOfTime
from bench.gpu.bounds import bounds, vq_work
from bench.gpu.clock import recorded
from bench.gpu.harness import COMPILED, Candidate, Harness, Ready, contest
from bench.gpu.peers import Lookup
from bench.gpu.plan import AHEAD, ALONE, JIT
from edgeser.backends.cuda.triton import host


def measure(harness: Harness, tokens: int, **sizes: int) -> dict[str, Any]:
    """A contest that includes the bounds, and the work of a lookup."""
    shape, device = harness.vq, harness.device
    generator = torch.Generator().manual_seed(1)
    deep, latent = (
        torch.randn(size, generator=generator).to(device)
        for size in (
            (tokens, shape.deep_width),
            (tokens, shape.positions, shape.code_width),
        )
    )

    def ahead() -> Ready:
        made = torch.empty(tokens, shape.token_width, device=device)
        codes = torch.empty(tokens, shape.positions, dtype=torch.int32, device=device)
        work = AheadOfTime(harness).vq_fusion(deep, latent, made, codes)
        work.call()
        work.wait()
        return Ready(work, made.cpu().numpy())

    def calls(run: Callable[[], Tensor]) -> Ready:
        kept: list[Tensor] = []

        def call() -> None:
            kept[:] = [run()]

        work = recorded(call, device)
        work.call()
        work.wait()
        return Ready(work, kept[0].float().cpu().numpy())

    def just_in_time() -> Ready:
        model = host.VQFusion(shape, harness.bundle.tensors, "fp32", device)
        return calls(lambda: model(deep, latent)[0])

    def pytorch(compiled: bool) -> Ready:
        run: Callable[..., Tensor] = Lookup(harness)
        if compiled:
            run = torch.compile(run, mode=COMPILED, dynamic=False, fullgraph=True)
            run(deep, latent)
        return calls(lambda: run(deep, latent))

    def alone() -> Ready:
        lookup = Lookup(harness)
        flat = latent.flatten(0, 1)
        return Ready(recorded(lambda: flat @ lookup.turned, device), None)

    with torch.no_grad():
        limits = bounds(device, **sizes)
        facts = {
            "amounts": {name: amount for name, (_, amount) in limits.items()},
            "work": vq_work(shape, tokens),
        }
        return contest(
            harness,
            [
                Candidate(AHEAD, ahead),
                Candidate(JIT, just_in_time),
                Candidate("PyTorch in a CUDA graph", lambda: pytorch(compiled=False)),
                Candidate(ALONE, alone),
                *(
                    Candidate(name, lambda work=work: Ready(work, None))
                    for name, (work, _) in limits.items()
                ),
                Candidate("torch.compile", lambda: pytorch(compiled=True), slow=True),
            ],
            facts=facts,
        )
