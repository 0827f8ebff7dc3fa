"""A long training in rounds, by one process or several, that may be killed at any time.

A round has a number of steps. At its end the first process saves everything that the next one
depends on; random numbers in a round depend only on the seed, the round and the process. So a run
that was killed and resumed gives the same bits as an undisturbed one, on CPUs with the same number
of processes and threads. On GPUs the order of sums is random.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.data.manifest import CorpusError
from train.data.shard import Shard
from train.files import atomic_write
from train.front.bank import Bank, bank
from train.front.bulk import Bulk
from train.front.ground import Ground, Log, write_weights
from train.front.material import Spoken
from train.front.plan import HEADS_RATE, Plan
from train.front.run import Fences, learning_rate
from train.front.scenes import Batch
from train.front.student import Weights

STATE = "state.pt"


@dataclass(frozen=True)
class Course:
    """The length of a training."""

    steps: tuple[int, int] = (20_000, 8_000)
    """Steps without emotions, and then with them."""
    round: int = 500
    """Steps between two saves of the state, which is the most that can be lost."""

    def rounds(self) -> list["Round"]:
        """All of them, in order."""
        found = list[Round]()
        for phase, steps in zip(("a1", "a2"), self.steps, strict=True):
            for first in range(0, steps, self.round):
                last = min(first + self.round, steps)
                found.append(Round(len(found), phase, first, last, steps))
        return found


@dataclass(frozen=True)
class Round:
    """Steps ``first`` to ``last`` of the ``steps`` of a phase."""

    number: int
    phase: str
    first: int
    last: int
    steps: int


class Rounds:
    """A run and its progress. ``out`` must be one folder for all processes, on all machines.

    Args:
        plan: data and sizes; its times are ignored.
        course: the length.
        ground: makes the data.
        out: for weights, log and state.
        shard: which of the processes this is.
        bulk: speech in addition to the pack's, some of it per round.

    Raises:
        CorpusError: ``out`` contains the state of another course or plan.
    """

    def __init__(
        self,
        plan: Plan,
        course: Course,
        ground: Callable[[Log], Ground],
        out: Path,
        device: torch.device,
        shard: Shard | None = None,
        bulk: Bulk | None = None,
    ) -> None:
        self.plan, self.course, self.out, self.device = plan, course, out, device
        self.shard, self.bulk = shard or Shard(), bulk
        self.log = Log(out / "log.jsonl", silent=self.shard.rank > 0)
        self._settings = _settings(plan, course)
        kept = self._kept()
        self.ground = ground(self.log)
        self.learners = self.ground.learners()
        self.done = 0
        if kept is not None:
            self.done = kept["done"]
            for learner in self.learners:
                learner.restore(kept["learners"][learner.name])
            self.log.line({"gone on from round": self.done})
        if self.shard.world > 1:
            for learner in self.learners:
                learner.join()

    def run(self) -> None:
        """Runs all remaining rounds."""
        with ThreadPoolExecutor(1) as reader:
            ahead: Future[list[Spoken]] | None = None
            for one in self.course.rounds()[self.done :]:
                more = None if ahead is None else ahead.result()
                if self.bulk is not None:
                    more = self.bulk.read(one.number) if more is None else more
                    ahead = reader.submit(self.bulk.read, one.number + 1)
                self._round(one, self._bank(more))

    def _bank(self, more: list[Spoken] | None) -> Bank:
        """The pack's recordings, and the round's own."""
        if not more or self.ground.material is None:
            return self.ground.bank
        material = replace(self.ground.material, spoken=more)
        return self.ground.bank.and_also(bank(material, {}, self.device))

    def _round(self, one: Round, heard: Bank) -> None:
        seed = np.random.SeedSequence([self.plan.seed, one.number, self.shard.rank])
        drawn, own = (int(n) for n in seed.generate_state(2))
        scenes = self.ground.scenes(heard, drawn)
        torch.manual_seed(own)
        weights, peak = self.plan.weights, 1.0
        often = np.where(heard.held, 0, heard.often)
        if one.phase == "a2":
            weights = Weights(**{**vars(weights), "emotion": self.plan.emotion})
            peak = self.plan.slower
            often = often * np.where(heard.emotion >= 0, 2, 1)
        batches, fences = _ahead(scenes.batches(often), one.last - one.first), Fences(self.device)
        for step, batch in enumerate(batches, one.first):
            heads = step < self.plan.heads
            rate = HEADS_RATE if heads else learning_rate(step, step / one.steps, peak)
            for learner in self.learners:
                learner.step(batch, weights, rate, heads)
            fences.wait()
        if self.shard.world > 1:
            for learner in self.learners:
                learner.agree(self.shard.world)
        self.done = one.number + 1
        if self.shard.rank == 0:
            self._keep(one)
        self._show(one, heard)

    def _keep(self, one: Round) -> None:
        write_weights(self.out, one.phase, self.learners, self.log)
        state = {
            "done": self.done,
            "settings": self._settings,
            "learners": {x.name: x.state() for x in self.learners},
        }
        with atomic_write(self.out / STATE) as partial:
            torch.save(state, partial)

    def _kept(self) -> dict[str, Any] | None:
        path = self.out / STATE
        if not path.is_file():
            return None
        kept: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if kept["settings"] != self._settings:
            raise CorpusError(
                f"{path} was written with other settings ({kept['settings']}, now "
                f"{self._settings}): give the same ones to go on, or another --out to begin"
            )
        return kept

    def _show(self, one: Round, heard: Bank) -> None:
        """Logs one line for each size with this process's results."""
        facts: dict[str, Any] = {
            "round": one.number,
            "phase": one.phase,
            "step": one.last,
            "hours": heard.hours,
        }
        if self.bulk is not None and self.bulk.unreadable:
            facts["unreadable"] = self.bulk.unreadable
        for learner in self.learners:
            seen = {name: round(value, 4) for name, value in learner.lately().items()}
            self.log.line({**facts, "size": learner.name, **seen})


def _ahead(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    """So many batches, each made while the one before it is learned."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, batches)
        for left in range(count, 0, -1):
            batch = coming.result()
            if left > 1:
                coming = maker.submit(next, batches)
            yield batch


def _settings(plan: Plan, course: Course) -> str:
    """Everything that rounds depend on, except the data; as text, for comparison."""
    kept = {
        n: v for n, v in asdict(plan).items() if n not in ("minutes", "first", "keep", "report")
    }
    return json.dumps({**kept, **asdict(course)}, sort_keys=True)
