"""What every measurement here is given: a model, a device, kernels, and how long to take."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.gpu.clock import Work
from bench.gpu.names import ON_DEVICE
from bench.rounds import take_turns
from bench.worker import AbsentError, agree
from edgeser.bundle import Bundle
from edgeser.gpu.shapes import TacnShape, VQShape, tacn_shape, vq_shape

AUTOTUNED = "max-autotune-no-cudagraphs"
"""How peers are compiled: at its best, but for the CUDA graph, which they get as ours do."""


@dataclass(frozen=True)
class Rig:
    """See above."""

    bundle: Bundle
    kernels: Path | None
    """The folder that ``edgeser compile`` wrote."""
    device: torch.device
    rounds: int = 9
    patience: int = 30
    """Seconds that a contestant has to get ready; torch.compile may want more than there are."""

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
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


@dataclass(frozen=True)
class Ready:
    """A contestant that is ready, and what it computes of given input; None for a bound."""

    work: Work
    answer: npt.NDArray[Any] | None


@dataclass(frozen=True)
class Candidate:
    """Who wants to take part."""

    name: str
    make: Callable[[], Ready]
    tolerance: float = 1e-3
    """As in :class:`bench.worker.Entry`."""


def contest(
    rig: Rig, candidates: list[Candidate], before_turns: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Let all who get ready in time take turns; the first that does says what the answer is.

    ``seconds`` (by name, and by name and :data:`ON_DEVICE`, a value for each round) and ``absent``
    (by name, why).
    """
    answer, absent, timings = None, {}, {}
    for candidate in candidates:
        try:
            with at_most(rig.patience):
                ready = candidate.make()
        except Exception as reason:  # noqa: BLE001 - whatever it fails with is why it is absent
            absent[candidate.name] = why(reason)
            continue
        if ready.answer is not None:
            answer = ready.answer if answer is None else answer
            if not agree(ready.answer, answer, candidate.tolerance):
                absent[candidate.name] = "its answer is another"
                continue
        timings[candidate.name] = ready.work.timed()
        timings[candidate.name + ON_DEVICE] = ready.work.timed_on_device()
    before_turns()
    return {"seconds": dict(take_turns(timings, rig.rounds).seconds), "absent": absent}


def why(reason: Exception) -> str:
    """One line."""
    if isinstance(reason, torch.cuda.OutOfMemoryError):
        return "the GPU has not enough memory"
    first = (str(reason) or type(reason).__name__).splitlines()[0][:200]
    return first if isinstance(reason, AbsentError) else f"{type(reason).__name__}: {first}"


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raises AbsentError in here after so many seconds; main thread only."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise AbsentError(f"not ready within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
