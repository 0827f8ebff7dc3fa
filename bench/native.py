"""Builds and runs the C++ benchmarks in ``bench/native``; see its ``main.cpp``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.rounds import Rounds

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Case:
    """A kernel at one size: its rounds, and its minimum bytes and operations."""

    facts: Mapping[str, float]
    rounds: Rounds

    @property
    def ours(self) -> str:
        """Name of the kernel's own work."""
        return "step" if "step" in self.rounds.seconds else "fuse"

    def of_read(self, work: str, cold: bool = False) -> float:
        """Share of the time for reading the weights once."""
        end = "_cold" if cold else ""
        return self.rounds.ratio("read" + end, work + end)

    def of_peak(self, work: str) -> float:
        """Share of the time for multiplications and additions at peak speed."""
        return self.rounds.ratio("flop", work, self.facts["flops"])


def build(build_folder: Path = BUILD) -> Path:
    """Compiles it and returns the program. Raises subprocess.CalledProcessError."""
    ours = ["-DEDGESER_PYTHON=OFF", "-DEDGESER_BENCH=ON", "-DCMAKE_BUILD_TYPE=Release"]
    beside = Path(sys.executable).parent
    path = os.pathsep.join([str(beside), os.environ["PATH"]])
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(build_folder), *ours],
        ["cmake", "--build", str(build_folder), "--parallel", "2", "--target", "edgeser_bench"],
    ):
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PATH": path})
    return build_folder / "bench" / "native" / "edgeser_bench"


def measure(
    rounds: int, program: Path | None = None, level: str | None = None
) -> tuple[str, dict[str, Case]]:
    """The SIMD level, and all cases by name; ``level`` None for the best one here."""
    program = program or build()
    forced = [] if level is None else [level]
    with tempfile.TemporaryFile("w+") as said:
        subprocess.run([program, str(rounds), *forced], check=True, stdout=said)
        said.seek(0)
        result = json.load(said)
    cases = {
        name: Case(case["facts"], Rounds(case["seconds"])) for name, case in result["cases"].items()
    }
    return result["simd"], cases
