"""The training of all sizes, by the clock: without emotions, then with them."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from train.files import atomic_write
from train.front.bank import Bank, Flat, bank
from train.front.material import made, read
from train.front.scenes import Batch, SceneConfig, Scenes
from train.front.student import Learner, Student, Weights
from train.models.sizes import SIZES

OFTEN = {"emodb": 3}
"""How often a corpus is gone through: EmoDB is a tenth of CREMA-D's size."""
WARMING = 200
"""Steps until a phase's learning rate is reached."""


@dataclass(frozen=True)
class Plan:
    """How long, on what, which sizes."""

    minutes: float = 7.0
    """From beginning to end, reading and the teacher included."""
    first: float = 0.65
    """Share of the training without emotions."""
    sizes: tuple[str, ...] = tuple(SIZES)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    weights: Weights = field(default_factory=Weights)
    emotion: float = 0.3
    """Weight of the emotions in the last phase."""
    slower: float = 0.5
    """The last phase's learning rate as a share of the first's."""
    made: int = 800
    """Sounds made by arithmetic."""
    keep: float = 40.0
    """Seconds between two writings of the weights."""
    report: float = 10.0
    every: int = 1
    """Only so many-th recordings, to try a plan out."""
    seed: int = 0


class Front:
    """A run: what it learns from, its learners, its log."""

    def __init__(
        self, plan: Plan, folders: Sequence[Path], out: Path, device: torch.device, threads: int
    ) -> None:
        self.plan, self.out, self.device = plan, out, device
        self.begun = self._last = time.monotonic()
        out.mkdir(parents=True, exist_ok=True)
        # Power spectra have a range that TensorFloat-32 does not.
        torch.backends.cudnn.allow_tf32 = False
        torch.manual_seed(plan.seed)
        sounds = made(plan.made, threads, plan.seed)
        self._took("sounds made")
        material = read(folders, threads, plan.every)
        self._took("pack read", recordings=len(material.spoken), missing=material.missing)
        self.bank: Bank = bank(material, OFTEN, device)
        self._synchronise()
        hours = round(len(self.bank.audio.samples) / 16_000 / 3600, 2)
        self._took("floors and teacher", hours=hours)
        noises, extra = Flat.of(material.sounds, device), Flat.of(sounds, device)
        rooms = material.responses
        self.scenes = Scenes(self.bank, noises, extra, rooms, plan.scenes, plan.seed)
        width = self.bank.sums.shape[1]
        self.learners = []
        for name in plan.sizes:
            size = SIZES[name]
            student = Student(size.config, width, len(self.bank.names))
            student = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.learners.append(Learner(name, student.train(), size.learning_rate))
        self.held = self._held()
        self._took("ready", tokens=self.scenes.tokens, hops=plan.scenes.hops)

    def run(self) -> None:
        """Both phases; weights are kept all the time and at the end."""
        end = self.begun + 60 * self.plan.minutes
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
        """Learn until ``end``: the learning rate follows the clock."""
        begin = kept = shown = time.monotonic()
        step = shown_step = 0
        waited = rate = 0.0
        fences = _Fences(self.device)
        for batches in _together(self.scenes.batches(often), self.plan.scenes.ahead):
            for batch in batches:
                done = (time.monotonic() - begin) / max(end - begin, 1e-3)
                if done >= 1:
                    break
                rate = peak * min(1.0, (step + 1) / WARMING)
                rate *= 0.5 * (1 + math.cos(math.pi * done)) + 0.01
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
        self._took(f"phase {name}", steps=step, seconds=round(time.monotonic() - begin, 1))

    def _show(self, phase: str, step: int, speed: float, rate: float, device: float) -> None:
        """One line for each size. ``waited`` is the share of time that the host waited in."""
        for learner in self.learners:
            found = learner.lately()
            if self.held:
                other = learner.judged(self.held)
                found |= {f"held_{n}": other[n] for n in ("teacher", "utterance", "gate")}
            self._log(
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
        """Write the weights of a phase; those of the first in half precision, all in one file."""
        sound = [learner for learner in self.learners if learner.is_sound()]
        if len(sound) < len(self.learners):
            self._log({"not finite": [x.name for x in self.learners if x not in sound]})
        facts = {"phase": phase, "seconds": f"{time.monotonic() - self.begun:.0f}"}
        if phase == "a1":
            tensors = {
                f"{x.name}.{n}": t for x in sound for n, t in x.student.shipped(torch.half).items()
            }
            with atomic_write(self.out / "a1.safetensors") as partial:
                save_file(tensors, partial, facts)
            return
        for x in sound:
            with atomic_write(self.out / f"a2-{x.name}.safetensors") as partial:
                save_file(x.student.shipped(), partial, facts)

    def _held(self) -> list[Batch]:
        """Three batches of speakers who are not trained on, the same all the time."""
        which = np.flatnonzero(self.bank.held)
        if not len(which):
            return []
        which = np.resize(np.random.default_rng(0).permutation(which), 3 * self.plan.scenes.batch)
        return list(self.scenes.made_of(which))

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _took(self, what: str, **facts: Any) -> None:
        now = time.monotonic()
        self._log({"took": what, "s": round(now - self._last, 2), **facts})
        self._last = now

    def _log(self, line: dict[str, Any]) -> None:
        text = json.dumps({"at": round(time.monotonic() - self.begun, 1), **line})
        print(text, flush=True)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(text + "\n")


class _Fences:
    """Keeps the host from running further ahead of a GPU than one group of batches."""

    def __init__(self, device: torch.device) -> None:
        self.on = device.type == "cuda"
        self.events = list[torch.cuda.Event]()

    def wait(self) -> None:
        """For all that was asked for before the last call."""
        if not self.on:
            return
        self.events.append(torch.cuda.Event())
        self.events[-1].record()
        if len(self.events) > 1:
            self.events.pop(0).synchronize()


def _together(batches: Iterator[Batch], count: int) -> Iterator[list[Batch]]:
    while True:
        yield [next(batches) for _ in range(count)]
