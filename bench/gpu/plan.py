"""The parts of a run, their order, their time limits, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMMANDS = TEST, MEASURE = "test", "measure"
RUN_SECONDS = 470.0
"""Limit of the whole run, below the eight minutes that a run may take."""
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
"""Name and pytest arguments. Compilation of all kernels is tested on machines without a GPU."""


@dataclass(frozen=True)
class Part:
    """One part: ``python -m bench.gpu.worker FUNCTION JSON``, in its own process."""

    name: str
    function: str
    """``module:function`` in ``bench.gpu``; called with a harness and the arguments."""
    limit: float
    """Seconds."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    contest: bool = False
    """Whether there are peers, which are prepared in parallel beforehand."""


def step(streams: int) -> str:
    """Name of the part that measures a step of a number of streams."""
    return f"step of {streams:,}"


def lookup(tokens: int) -> str:
    """Name of the part that measures a lookup of a number of tokens."""
    return f"lookup of {tokens:,}"


def features(segments: int) -> str:
    """Name of the part that measures the front end for a number of segments."""
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
"""In order of importance: if time runs out, the last ones are dropped."""

BUILD_LIMIT, COMPILE_LIMIT, TESTS_LIMIT, PREPARE_LIMIT = 180.0, 60.0, 150.0, 120.0
PATIENCE = 15
"""Seconds for the preparation of a contestant from caches, when its turn comes."""
LEAST = 12.0
"""Seconds that are reserved for each of the following parts."""


def allowed(limit: float, elapsed: float, to_come: int = 0) -> float:
    """Seconds that a part may take when so many have passed; 0 if it is too late.

    ``to_come`` later parts get at least :data:`LEAST` each, as far as possible.
    """
    left = RUN_SECONDS - elapsed
    if left <= 5:
        return 0.0
    return min(limit, left, max(LEAST, left - LEAST * to_come))


# Names of the parts' contestants, for the judge.
ON_DEVICE = ", on the device"
"""Suffix of a contestant's name: time by the device's clock. Without: by the host's."""
AHEAD, JIT = "edgeser", "edgeser JIT"
"""Compiled ahead of time and launched by ``cuda.core``; compiled and launched by Triton."""
BOUND = "bound: "
COPY = BOUND + "copy"
PRODUCT = BOUND + "tf32 product"
ALONE = BOUND + "product of vectors and codes alone"
NOT_READY = "not ready"
"""Part of the reason for contestants that ran out of time."""
