"""What every measurement gets: a model, a device, kernels, and its time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.gpu.clock import Work
from bench.gpu.plan import NOT_READY, ON_DEVICE
from bench.rounds import Rounds, Timed, take_turns
from bench.worker import AbsentError, agree
from edgeser.backends.cuda.shapes import TacnShape, VQShape, tacn_shape, vq_shape
from edgeser.bundle import Bundle

COMPILED = "default"
"""How peers are compiled. They get a CUDA graph as ours do, so modes that make their own are not
used; modes that tune all products do not finish in time."""


@dataclass(frozen=True)
class Harness:
    """See above."""

    bundle: Bundle
    kernels: Path | None
    """The output folder of ``edgeser compile``."""
    device: torch.device
    rounds: int = 9
    patience: int = 30
    """Seconds for the preparation of a contestant; torch.compile may need more than there is."""
    leave: Callable[[Mapping[str, Any]], object] = lambda _: None
    """Called with the results so far, whenever there are new ones."""
    preparing: bool = False
    """Whether contestants are only prepared, to fill the caches; nothing is timed."""
    given_up: Mapping[str, str] = field(default_factory=dict)
    """Contestants that are skipped, and why."""

    @property
    def tacn(self) -> TacnShape:
        """Of the model's step."""
        return tacn_shape(self.bundle.manifest)

    @property
    def vq(self) -> VQShape:
        """Of the model's lookup."""
        return vq_shape(self.bundle.manifest)

    def tensor(self, array: npt.NDArray[Any]) -> torch.Tensor:
        """An array on the device."""
        return torch.tensor(np.ascontiguousarray(array), device=self.device)  # a copy


@dataclass(frozen=True)
class Ready:
    """A prepared peer, and its output for given input; None for a bound."""

    work: Work
    answer: npt.NDArray[Any] | None


@dataclass(frozen=True)
class Candidate:
    """A possible contestant."""

    name: str
    make: Callable[[], Ready]
    tolerance: float = 1e-3
    """As in :class:`bench.worker.Entry`."""
    slow: bool = False
    """Whether its preparation may take long; all others are timed before."""


def contest(
    harness: Harness,
    candidates: list[Candidate],
    before_turns: Callable[[], object] = lambda: None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Contestants that are ready in time take turns; the first one defines the right answer.

    Returns ``seconds`` (by name, and by name and :data:`ON_DEVICE`, a value for each round) and
    ``absent`` (by name, the reason), besides ``facts``. Partial results are given to the harness
    before each contestant that may never be ready, and after each round.
    """
    answer = None
    absent: dict[str, str] = {}
    timings: dict[str, Timed] = {}
    result: dict[str, Any] = {**(facts or {}), "seconds": {}, "absent": absent}

    def leave(rounds: Rounds) -> None:
        harness.leave({**result, "seconds": rounds.seconds})

    for candidate in candidates:
        if candidate.name in harness.given_up:
            absent[candidate.name] = harness.given_up[candidate.name]
            continue
        absent[candidate.name] = f"{NOT_READY} when the time ended"  # kept if it ends the process
        if candidate.slow and timings:
            take_turns(timings, 1, leave)
        else:
            harness.leave(result)
        try:
            with at_most(harness.patience):
                ready = candidate.make()
        except Exception as reason:  # noqa: BLE001 - any error is a reason to be absent
            absent[candidate.name] = why(reason)
            continue
        if ready.answer is not None:
            answer = ready.answer if answer is None else answer
            if not agree(ready.answer, answer, candidate.tolerance):
                absent[candidate.name] = "its answer is another"
                continue
        del absent[candidate.name]
        if not harness.preparing:
            timings[candidate.name] = ready.work.timed()
            timings[candidate.name + ON_DEVICE] = ready.work.timed_on_device()
    if timings:
        before_turns()
        result["seconds"] = dict(take_turns(timings, harness.rounds, leave).seconds)
    harness.leave(result)
    return result


def why(reason: Exception) -> str:
    """The reason in one line."""
    if isinstance(reason, torch.cuda.OutOfMemoryError):
        return "the GPU has not enough memory"
    first = (str(reason) or type(reason).__name__).splitlines()[0][:200]
    return first if isinstance(reason, AbsentError) else f"{type(reason).__name__}: {first}"


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raises AbsentError in the block after so many seconds; main thread only."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise AbsentError(f"{NOT_READY} within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
