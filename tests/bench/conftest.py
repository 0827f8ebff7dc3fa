"""Fixtures for the tests of bench/gpu."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgeser.bundle import read_bundle

if TYPE_CHECKING:
    from bench.gpu.harness import Harness


@pytest.fixture(scope="session")
def harness(toy_path: Path) -> Harness:
    """The toy, two layers of it."""
    import torch

    from bench.gpu.harness import Harness

    toy = read_bundle(toy_path)
    manifest = toy.manifest._replace(sizes=toy.manifest.sizes._replace(layers=2))
    tensors = {n: t[:2] if n.startswith("tacn.") else t for n, t in toy.tensors.items()}
    bundle = toy._replace(manifest=manifest, tensors=tensors)
    return Harness(bundle, None, torch.device("cpu"), rounds=1, patience=600)


@pytest.fixture
def quick_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile traces without compiling: there is no GPU to compile for."""
    import torch

    compiled = torch.compile

    def traced(module: Any, mode: str | None = None, **options: Any) -> Any:
        assert mode in (None, "default")  # with others it gets no CUDA graph, or not ready
        return compiled(module, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", traced)
