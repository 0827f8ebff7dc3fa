"""Chooses the fastest precision on this machine among those that change results little."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from edgeser.bundle import Bundle
from edgeser.native import kernels
from edgeser.options import PRECISIONS, Precision

if TYPE_CHECKING:
    from edgeser import _kernels as core

CHANGED_VERDICTS = MappingProxyType[Precision, float](
    {"float32": 0.0, "bfloat16": 0.002, "int8": 0.005}
)
"""Share of verdicts that name another emotion than float32: the bundled model's, on speakers that
it has never heard (docs/model/precision.md). Other bundles' may differ."""

MOST_CHANGED = 0.01
"""``precision="auto"`` takes none that changes a larger share."""

MARGIN = 1.05
"""How many times as fast a lower precision must be to be worth its error."""

ROUNDS = 9


def fastest_precision(bundle: Bundle) -> Precision:
    """Times one hop of speech in each precision, in turns; some 70 ms in total.

    Returns the most exact precision within :data:`MARGIN` of the fastest.

    Raises:
        BundleError, KernelError: the bundle cannot be run.
    """
    allowed = [name for name in PRECISIONS if CHANGED_VERDICTS[name] <= MOST_CHANGED]
    hops = {name: _hop(kernels().Core(bundle.contents, precision=name)) for name in allowed}
    seconds = dict.fromkeys(allowed, float("inf"))
    for _ in range(ROUNDS):
        for name, hop in hops.items():
            began = time.perf_counter()
            hop()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    return choose(seconds)


def choose(seconds: dict[Precision, float]) -> Precision:
    """The most exact precision that is within :data:`MARGIN` of the fastest."""
    enough = MARGIN * min(seconds.values())
    return next(name for name in PRECISIONS if seconds.get(name, float("inf")) <= enough)


def _hop(made: core.Core) -> Callable[[], object]:
    """One hop of speech, without the front end if ONNX Runtime executes that."""
    noise = np.random.default_rng(0)
    fusion, tacn, front_end = made.fusion, made.tacn, made.front_end
    deep = noise.standard_normal((1, fusion.deep_width), dtype=np.float32)
    latent = noise.standard_normal((1, fusion.positions, fusion.code_width), dtype=np.float32)
    level = np.full(1, -30, np.float32)
    state = np.zeros(tacn.state_bytes, np.uint8)
    segment = (
        None
        if front_end is None
        else 0.1 * noise.standard_normal((1, front_end.segment), dtype=np.float32)
    )

    def hop() -> None:
        if front_end is not None and segment is not None:
            front_end(segment, level)
        tokens, _ = fusion(deep, latent)
        tacn.step(tokens, [state])

    hop()  # caches and pages settle
    return hop
