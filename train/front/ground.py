"""Common to all runs of the front end: data on a device, learners, weights, a log."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from train.data.augment import Samples
from train.files import atomic_write
from train.front.bank import Bank, Flat, bank
from train.front.material import Material, made, read
from train.front.plan import OFTEN, Plan
from train.front.scenes import Batch, Scenes
from train.front.student import Learner, Student
from train.models.sizes import SIZES, loaded


class Log:
    """Lines of JSON on the terminal and in a file, each with the seconds since the start.

    Args:
        path: the file, to which lines are appended.
        silent: write nothing, as all processes except one do.
    """

    def __init__(self, path: Path, silent: bool = False) -> None:
        self.path, self.silent = path, silent
        self.begun = self._last = time.monotonic()

    def line(self, facts: dict[str, Any]) -> None:
        """Writes one line."""
        if self.silent:
            return
        text = json.dumps({"at": round(time.monotonic() - self.begun, 1), **facts})
        print(text, flush=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def took(self, what: str, **facts: Any) -> None:
        """Writes the seconds since the last call, with a name."""
        now = time.monotonic()
        self.line({"took": what, "s": round(now - self._last, 2), **facts})
        self._last = now


@dataclass(frozen=True)
class Ground:
    """Everything that does not change during a run: recordings, sounds, rooms on a device."""

    plan: Plan
    device: torch.device
    bank: Bank
    noises: Flat
    made: Flat
    responses: list[Samples]
    material: Material | None = None
    """The pack's, to which recordings may be added."""
    start: Path | None = None
    """Weights that learners start from: a checkpoint, or ``a2-14.safetensors``."""
    even: Tensor | None = None
    """(2 D, 2 D): what errors in a recording's mean and deviation are multiplied by."""

    @staticmethod
    def of_pack(
        plan: Plan, folders: Sequence[Path], device: torch.device, threads: int, log: Log
    ) -> "Ground":
        """Reads a pack and computes the teacher's vectors."""
        # Power spectra exceed the range of TensorFloat-32.
        torch.backends.cudnn.allow_tf32 = False
        torch.manual_seed(plan.seed)
        sounds = made(plan.made, threads, plan.seed)
        log.took("sounds made")
        material = read(folders, threads, plan.every)
        log.took("pack read", recordings=len(material.spoken), missing=material.missing)
        found = bank(material, OFTEN, device)
        if device.type == "cuda":
            torch.cuda.synchronize()
        log.took("floors and teacher", hours=found.hours)
        noises, synthetic = (Flat.of(x, device) for x in (material.sounds, sounds))
        return Ground(plan, device, found, noises, synthetic, material.responses, material)

    def scenes(self, heard: Bank, seed: int) -> Scenes:
        """Batches of recordings, mixed with the pack's sounds, in its rooms."""
        return Scenes(heard, self.noises, self.made, self.responses, self.plan.scenes, seed)

    def held(self, scenes: Scenes) -> list[Batch]:
        """Three fixed batches of speakers that are not trained on."""
        which = np.flatnonzero(self.bank.held)
        if not len(which):
            return []
        which = np.resize(np.random.default_rng(0).permutation(which), 3 * self.plan.scenes.batch)
        return list(scenes.made_of(which))

    def learners(self) -> list[Learner]:
        """A learner for each size."""
        width, found = self.bank.sums.shape[1], []
        for name in self.plan.sizes:
            size = SIZES[name]
            student = Student(size.config, width, len(self.bank.names), self.even)
            if self.start is not None:
                model = loaded(name, self.start)
                student.model.load_state_dict(model.state_dict())
            student = student.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            rate = self.plan.learning_rate or size.learning_rate
            found.append(Learner(name, student.train(), rate))
        return found


def write_weights(out: Path, phase: str, learners: Sequence[Learner], log: Log) -> None:
    """Writes the weights of a phase; those of the first one in half precision, all in one file.

    Sizes with weights that are not finite are left out and logged.
    """
    sound = [learner for learner in learners if learner.is_sound()]
    if len(sound) < len(learners):
        log.line({"not finite": [x.name for x in learners if x not in sound]})
    facts = {"phase": phase}
    if phase == "a1":
        tensors = {
            f"{x.name}.{n}": t for x in sound for n, t in x.student.shipped(torch.half).items()
        }
        with atomic_write(out / "a1.safetensors") as partial:
            save_file(tensors, partial, facts)
        return
    for x in sound:
        with atomic_write(out / f"a2-{x.name}.safetensors") as partial:
            save_file(x.student.shipped(), partial, facts)
