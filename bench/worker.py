"""A peer in its own process, so that thread pools of two runtimes do not interfere.

The parent starts ``python -m bench.worker MODULE:FUNCTION JSON``; the function makes a
:class:`Contestant`. The worker says what it computes, or why it cannot, and then times itself once
for every line that it is sent. Everything in it has one thread.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.rounds import Rounds, take_turns, timed

ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ORT_DISABLE_TELEMETRY"], "1"
)


@dataclass(frozen=True)
class Contestant:
    """A repeatable call, and its results."""

    call: Callable[[], object]
    answer: npt.NDArray[Any]
    """For a given input, to compare with the others."""
    wall: bool = False
    """Whether it works on several threads, so that elapsed time is measured."""


@dataclass(frozen=True)
class Entry:
    """A contestant: its name, and the function that makes it in its own process."""

    name: str
    factory: str
    """``module:function``"""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-3
    """Allowed difference from the first entry's answer, relative to that answer's largest value.

    One value in a thousand may differ more, because two codes may be almost equally near.
    """


class AbsentError(Exception):
    """A contestant cannot take part here; the message says why."""


class Worker:
    """The parent's side. Methods raise AbsentError if the contestant is missing or has ended."""

    def __init__(self, entry: Entry) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "bench.worker", entry.factory]
        self._process = subprocess.Popen(
            [*command, json.dumps(dict(entry.arguments))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )

    def answer(self) -> npt.NDArray[Any]:
        """Its answer; waits until it is ready. Call it once, before everything else."""
        said = self._line()
        if "absent" in said:
            raise AbsentError(said["absent"])
        return np.asarray(said["answer"])

    def seconds(self) -> float:
        """Seconds a call, timed now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line()["seconds"])

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AbsentError(f"its process ended with {self._process.wait()}")
        said: dict[str, Any] = json.loads(line)
        return said

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass(frozen=True)
class Contest:
    """Rounds of a comparison, and the peers that could not take part, with reasons."""

    rounds: Rounds
    absent: Mapping[str, str]

    def peers(self) -> list[str]:
        """All but ours."""
        return [name for name in self.rounds.seconds if not name.startswith("edgeser")]

    def over_best_peer(self, ours: str = "edgeser") -> tuple[str, float]:
        """The best peer, and how many times as long as ours it takes."""
        best = self.rounds.best_of(self.peers())
        return best, self.rounds.ratio(best, ours)


def agree(answer: npt.NDArray[Any], first: npt.NDArray[Any], tolerance: float) -> bool:
    """Whether two contestants did the same work."""
    if answer.shape != first.shape:
        return False
    if answer.size == 0:
        return True
    apart = np.abs(answer - first) > tolerance * np.abs(first).max()
    return bool(apart.mean() <= 1e-3)


@contextmanager
def started(entries: list[Entry]) -> Iterator[tuple[dict[str, Worker], dict[str, str]]]:
    """Workers for those who can take part, and the reasons of those who cannot."""
    with ExitStack() as stack:
        workers = {entry.name: stack.enter_context(Worker(entry)) for entry in entries}
        answers: dict[str, npt.NDArray[Any]] = {}
        absent = {}
        for entry in entries:
            try:
                answer = workers[entry.name].answer()
            except AbsentError as reason:
                absent[entry.name] = str(reason)
                continue
            if agree(answer, next(iter(answers.values()), answer), entry.tolerance):
                answers[entry.name] = answer
            else:
                absent[entry.name] = "its answer is another"
        yield {name: workers[name] for name in answers}, absent


def contest(entries: list[Entry], rounds: int) -> Contest:
    """All contestants take turns, ours first."""
    with started(entries) as (workers, absent):
        timings = {name: worker.seconds for name, worker in workers.items()}
        return Contest(take_turns(timings, rounds), absent)


def main() -> None:
    """Runs one contestant."""
    module, function = sys.argv[1].split(":")
    try:
        made: Contestant = getattr(importlib.import_module(module), function)(
            **json.loads(sys.argv[2])
        )
    except Exception as reason:  # noqa: BLE001 - whatever a peer fails with is why it is absent
        first = (str(reason) or type(reason).__name__).splitlines()[0]
        _say({"absent": f"{type(reason).__name__}: {first}"[:200]})
        return
    _say({"answer": made.answer.astype(float).tolist()})
    for _ in sys.stdin:
        _say({"seconds": timed(made.call, wall=made.wall)})


_OUT = os.fdopen(os.dup(1), "w")


def _say(what: dict[str, Any]) -> None:
    _OUT.write(json.dumps(what) + "\n")
    _OUT.flush()


if __name__ == "__main__":
    os.dup2(2, 1)  # what peers print is no answer
    main()
