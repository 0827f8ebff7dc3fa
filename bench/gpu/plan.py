"""What one run does, in which order, how long each part may take, and what all of it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMMANDS = TEST, MEASURE = "test", "measure"
RUN_SECONDS = 470.0
"""Everything: a little less than the eight minutes after which a run is no use."""
STREAMS = (1, 8, 64, 1024, 16_384)
TOKENS = (64, 16_384)
SEGMENTS = (1, 256)
TESTS: Mapping[str, tuple[str, ...]] = {
    "tests of the kernels": (
        *("tests/kernels/test_tacn.py", "tests/kernels/test_vq_fusion.py"),
        *("-k", "triton"),
    ),
    "tests of the front end": (
        *("tests/kernels/test_front_end.py", "tests/kernels/test_triton_front_end.py"),
        *("-k", "triton"),
    ),
    "tests of their precision": ("tests/kernels/test_triton.py",),
    "tests of the launching": ("tests/backends/cuda",),
    "tests of the operator": ("tests/train/test_tacn_operator.py",),
}
"""Name to what pytest is given. That all kernels compile is tested where there is no GPU."""


@dataclass(frozen=True)
class Part:
    """One part: ``python -m bench.gpu.worker FUNCTION JSON``, in a process of its own."""

    name: str
    function: str
    """``module:function`` in ``bench.gpu``; it is given a harness and the arguments."""
    limit: float
    """Seconds."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    contest: bool = False
    """Whether peers take part, which get ready beforehand, all side by side."""


def step(streams: int) -> str:
    """The name of the part that measures a step of so many streams."""
    return f"step of {streams:,}"


def lookup(tokens: int) -> str:
    """The name of the part that measures a lookup of so many tokens."""
    return f"lookup of {tokens:,}"


def features(segments: int) -> str:
    """The name of the part that measures the front end of so many segments."""
    return f"front end of {segments:,}"


COMPILE = "edgeser compile"
BOUNDS, CAPACITY, END_TO_END, TRAINING = (
    "step beside its bounds",
    "most streams",
    "whole",
    "training",
)


def _step(streams: int) -> Part:
    return Part(step(streams), "step:measure", 45, {"streams": streams}, contest=True)


def _lookup(tokens: int) -> Part:
    return Part(lookup(tokens), "lookup:measure", 40, {"tokens": tokens}, contest=True)


def _features(segments: int) -> Part:
    return Part(features(segments), "features:measure", 40, {"segments": segments}, contest=True)


PARTS = (
    _features(256),
    Part(END_TO_END, "end_to_end:measure", 60),
    _features(1),
    _step(1),
    Part(BOUNDS, "step:beside_bounds", 40, {"streams": STREAMS[-1]}),
    Part(CAPACITY, "capacity:measure", 60),
    _step(64),
    _lookup(16_384),
    _step(8),
    _step(1024),
    _step(16_384),
    _lookup(64),
    Part(TRAINING, "training:measure", 45, contest=True),
)
"""In this order: what there is no time left for, at the end, is what matters least."""

BUILD_LIMIT, COMPILE_LIMIT, TESTS_LIMIT, PREPARE_LIMIT = 180.0, 60.0, 150.0, 120.0
PATIENCE = 15
"""Seconds that a contestant has to get ready when its turn comes, from what is in the caches."""
LEAST = 12.0
"""Seconds that are left for each of the parts that are still to come."""


def allowed(limit: float, elapsed: float, to_come: int = 0) -> float:
    """Seconds that a part may take if so many have passed; 0 if it is too late to begin.

    ``to_come`` parts after it get at least :data:`LEAST`, as far as there are.
    """
    left = RUN_SECONDS - elapsed
    if left <= 5:
        return 0.0
    return min(limit, left, max(LEAST, left - LEAST * to_come))


# What parts call what they time, and what the judge looks for.
ON_DEVICE = ", on the device"
"""After a contestant's name: its time by the device's clock. Without: until the host knows."""
AHEAD, JIT = "edgeser", "edgeser JIT"
"""Compiled ahead of time and launched by ``cuda.core``; compiled and launched by Triton."""
BOUND = "bound: "
COPY = BOUND + "copy"
PRODUCT = BOUND + "tf32 product"
ALONE = BOUND + "product of vectors and codes alone"
NOT_READY = "not ready"
"""In the reason of whoever is absent because the time was not enough."""
