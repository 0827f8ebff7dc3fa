"""Trains all sizes, by the clock: without emotions, then with them."""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from train.data.shard import Shard
from train.front.ground import Ground, Log, write_weights
from train.front.plan import WARMING, Plan
from train.front.scenes import Batch
from train.front.student import Weights


class Front:
    """A run: its data, its learners, its log."""

    def __init__(
        self, plan: Plan, folders: Sequence[Path], out: Path, device: torch.device, threads: int
    ) -> None:
        Shard.here().alone("a run by the clock", "go in rounds, by --steps of train.front")
        self.plan, self.out, self.device = plan, out, device
        self.log = Log(out / "log.jsonl")
        ground = Ground.of_pack(plan, folders, device, threads, self.log)
        self.bank = ground.bank
        self.scenes = ground.scenes(ground.bank, plan.seed)
        self.learners = ground.learners()
        self.held = ground.held(self.scenes)
        self.log.took("ready", tokens=self.scenes.tokens, hops=plan.scenes.hops)

    def run(self) -> None:
        """Runs both phases; saves weights regularly and at the end."""
        end = self.log.begun + 60 * self.plan.minutes
        begin = time.monotonic()
        middle = begin + self.plan.first * (end - begin)
        often = np.where(self.bank.held, 0, self.bank.often)
        self._phase("a1", often, self.plan.weights, 1.0, middle)
        self._keep("a1")
        often = often * np.where(self.bank.emotion >= 0, 2, 1)
        weights = Weights(**{**vars(self.plan.weights), "emotion": self.plan.emotion})
        self._phase("a2", often, weights, self.plan.slower, end)
        self._keep("a2")

    def _phase(
        self, name: str, often: NDArray[np.int64], weights: Weights, peak: float, end: float
    ) -> None:
        """Trains until ``end``; the learning rate follows the clock."""
        begin = kept = shown = time.monotonic()
        step = shown_step = 0
        waited = rate = 0.0
        fences = Fences(self.device)
        for batches in _together(self.scenes.batches(often), self.plan.scenes.ahead):
            for batch in batches:
                done = (time.monotonic() - begin) / max(end - begin, 1e-3)
                if done >= 1:
                    break
                rate = learning_rate(step, done, peak)
                for learner in self.learners:
                    learner.step(batch, weights, rate)
                step += 1
            asked = time.monotonic()
            fences.wait()
            now = time.monotonic()
            waited += now - asked
            if now - shown >= self.plan.report:
                speed = (step - shown_step) / (now - shown)
                device = round(waited / (now - shown), 2)
                self._show(name, step, speed, rate, device)
                shown, shown_step, waited = time.monotonic(), step, 0.0
            if now - kept >= self.plan.keep:
                self._keep(name)
                kept = time.monotonic()
            if now >= end:
                break
        self.log.took(f"phase {name}", steps=step, seconds=round(time.monotonic() - begin, 1))

    def _show(self, phase: str, step: int, speed: float, rate: float, device: float) -> None:
        """Logs one line for each size. ``waited`` is the share of time that the host waited."""
        for learner in self.learners:
            found = learner.lately()
            if self.held:
                other = learner.judged(self.held)
                found |= {f"held_{n}": other[n] for n in ("teacher", "utterance", "gate")}
            self.log.line(
                {
                    "phase": phase,
                    "size": learner.name,
                    "step": step,
                    "steps_a_second": round(speed, 2),
                    "waited": device,
                    "rate": round(rate, 4),
                    **{n: round(v, 4) for n, v in found.items()},
                }
            )

    def _keep(self, phase: str) -> None:
        write_weights(self.out, phase, self.learners, self.log)


def learning_rate(step: int, done: float, peak: float) -> float:
    """The learning rate relative to a size's own, at this progress: warm-up, then decay."""
    warm = peak * min(1.0, (step + 1) / WARMING)
    return warm * 0.5 * (1 + math.cos(math.pi * done)) + 0.01 * warm


class Fences:
    """Keeps the host at most one group of batches ahead of the GPU."""

    def __init__(self, device: torch.device) -> None:
        self.on = device.type == "cuda"
        self.events = list[torch.cuda.Event]()

    def wait(self) -> None:
        """Waits for all work from before the last call."""
        if not self.on:
            return
        self.events.append(torch.cuda.Event())
        self.events[-1].record()
        if len(self.events) > 1:
            self.events.pop(0).synchronize()


def _together(batches: Iterator[Batch], count: int) -> Iterator[list[Batch]]:
    while True:
        yield [next(batches) for _ in range(count)]
