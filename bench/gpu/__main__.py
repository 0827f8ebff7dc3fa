"""Builds, tests and measures on a machine with an NVIDIA GPU; started by ``bash bench/gpu.sh``.

First, in parallel and untimed: the tests, the ahead-of-time compilation of our kernels, and the
preparation of all peers, which fills caches that all share. Then every measurement alone. Parts
that end early keep their results, and every figure is printed as soon as it is known.

This file imports nothing that has to be built first. Everything is built in a temporary copy, so
the checkout gets nothing except ``bench/results/<gpu>.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.gpu import plan
from bench.gpu.judge import latencies, sections
from bench.gpu.machine import RefusedError, look, search_path
from bench.gpu.plan import BOUND, NOT_READY
from bench.limited_process import LimitedProcess
from bench.page import count, tables
from bench.record import FOLDER, save, stem

ROOT = Path(__file__).parents[2]
COPIED = ("CMakeLists.txt", "pyproject.toml", "bench", "csrc", "edgeser", "tests", "train")
PART = ("-m", "bench.gpu.worker")
COMPILED, SHIPPED = "compiled", "edgeser/models/default.kernels"

PAGE = """\
# {gpu}

edgeser {version}, torch {torch}, Triton {triton}, CUDA {cuda}, driver {driver}; compute capability
{capability}, {multiprocessors} multiprocessors, {memory_gb:.0f} GB; {date}.

All contestants take turns in each round. All are recorded as CUDA graphs, except for plain PyTorch
and the training step. A ratio is the median of the ratios within each round. Latencies are measured
on the host, from the launch until it knows that all is done. Bounds are measured in the same
rounds: a copy of 1 GiB, read and written, and a product of two matrices of 8192 by 8192 in tf32
(the kernels need three of these for one product in float32). `edgeser` is compiled ahead of time
and launched by cuda.core, `edgeser JIT` is compiled and launched by Triton; `torch.compile` is used
in its default mode. The goals are for an H100.

{reached} of {wanted} figures with a goal reach it. It took {seconds:.0f} s.
{cut}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs everything, prints the tables at the end, and returns the exit code.

    1 if nothing could be measured, or if a test failed.
    """
    parser = argparse.ArgumentParser(prog="bench/gpu.sh", description=__doc__)
    parser.add_argument(
        "commands",
        nargs="*",
        metavar="test|measure",
        help="what to do; both if neither is given",
    )
    parser.add_argument("--dry", action="store_true", help="print the plan and do nothing")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the results")
    parser.add_argument("--cache", type=Path, help="folder for compiled code of peers, to reuse it")
    options = parser.parse_args(arguments)
    unknown = set(options.commands) - set(plan.COMMANDS)
    if unknown:
        parser.error(f"no command {', '.join(sorted(unknown))}: there are test and measure")
    commands = tuple(options.commands) or plan.COMMANDS
    if options.dry:
        print(programme(commands))
        return 0
    began = time.monotonic()
    try:
        gpu = look()
        with tempfile.TemporaryDirectory(prefix="edgeser-gpu-") as folder:
            run = Run(Path(folder), gpu, options.out, began, commands, options.cache)
            run.build()
            run.everything()
    except RefusedError as reason:
        print(f"bench/gpu.sh: {reason}", file=sys.stderr)
        return 1
    print(run.page())
    return int(run.tests_failed)


def programme(commands: Sequence[str] = plan.COMMANDS) -> str:
    """Describes the parts of a run and their time limits."""
    tests = plan.TESTS if plan.TEST in commands else ()
    parts = plan.PARTS if plan.MEASURE in commands else ()
    beside = "(side by side)"
    rows = [
        ("build the kernels for the CPU", plan.BUILD_LIMIT),
        (f"{plan.COMPILE} {beside}", plan.COMPILE_LIMIT),
        *((f"{name} {beside}", plan.TESTS_LIMIT) for name in tests),
        *((f"{_preparing(p)} {beside}", plan.PREPARE_LIMIT) for p in parts if p.contest),
        *((part.name, part.limit) for part in parts),
    ]
    lines = [f"{limit:5.0f} s at most: {name}" for name, limit in rows]
    return "\n".join([*lines, f"{plan.RUN_SECONDS:5.0f} s for all of it"])


class Run:
    """One run: its folder, the machine, and the parts' results."""

    def __init__(
        self,
        folder: Path,
        gpu: dict[str, Any],
        out: Path,
        began: float,
        commands: Sequence[str] = plan.COMMANDS,
        cache: Path | None = None,
    ) -> None:
        self.folder, self.gpu, self.out, self.began = folder, gpu, out, began
        self.commands, self.cache = commands, (cache or folder / "cache").absolute()
        self.parts: dict[str, Any] = {}
        self.given_up: dict[str, dict[str, str]] = {}
        """By part: peers that were not ready during preparation, and why."""
        self.kernels = folder / COMPILED
        self._told: set[str] = set()

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return time.monotonic() - self.began

    def build(self) -> None:
        """Copies the source and builds the CPU's kernels. Raises RefusedError."""
        for name in COPIED:
            source, target = ROOT / name, self.folder / name
            if source.is_dir():
                shutil.copytree(
                    source, target, ignore=shutil.ignore_patterns("*.so", "__pycache__")
                )
            else:
                shutil.copy2(source, target)
        made = self.folder / "build"
        settings = {
            "CMAKE_BUILD_TYPE": "Release",
            "Python_EXECUTABLE": sys.executable,
            "pybind11_DIR": _pybind11(),
            "SKBUILD_PROJECT_VERSION": "0.0.0",
        }
        for command in (
            ["cmake", "-S", ".", "-B", made, *(f"-D{name}={to}" for name, to in settings.items())],
            ["cmake", "--build", made, "--parallel", str(os.cpu_count() or 1)],
        ):
            failed = self.command(command, plan.BUILD_LIMIT)[0]
            if failed:
                raise RefusedError(f"the kernels for the CPU cannot be built: {failed}")
        for library in made.glob("_kernels*.so"):
            shutil.copy2(library, self.folder / "edgeser")

    @property
    def tests_failed(self) -> bool:
        """Whether a test failed, or the tests did not finish."""
        told = [self.parts.get(name, {}) for name in plan.TESTS]
        return plan.TEST in self.commands and any(one.get("failures", 1) for one in told)

    def everything(self) -> None:
        """Runs the untimed work in parallel, then every part alone; saves each result at once."""
        parts = plan.PARTS if plan.MEASURE in self.commands else ()
        self.side_by_side([part for part in parts if part.contest])
        for n, part in enumerate(parts):
            self.parts[part.name] = self.measure(part, len(parts) - n - 1)
            self.save()
            self._tell()

    def side_by_side(self, contests: Sequence[plan.Part]) -> None:
        """The tests, compilation of our kernels, and preparation of peers; nothing is timed."""
        began = time.monotonic()

        def left(limit: float) -> float:
            allowed = plan.allowed(limit, began - self.began, len(contests))
            return max(1.0, allowed - (time.monotonic() - began))

        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        tests = plan.TESTS if plan.TEST in self.commands else {}
        with ExitStack() as ends:
            testing = {name: self._start([*pytest, *which]) for name, which in tests.items()}
            preparing = [(part, self._start(self._prepare(part))) for part in contests]
            for process in (*testing.values(), *(process for _, process in preparing)):
                ends.callback(process.end)
            self._compile()
            for part, process in preparing:
                ended, _ = process.finish(left(plan.PREPARE_LIMIT))
                self.given_up[part.name] = _never_ready(self._left(f"{part.name} prepared"))
                absent = ", ".join(self.given_up[part.name])
                self._say(_preparing(part), ended or (f"without {absent}" if absent else None))
            for name, process in testing.items():
                ended, said = process.finish(left(plan.TESTS_LIMIT))
                self.parts[name] = told = test_result(ended, said)
                self._say(name, told.get("failed") or told["summary"])
        self.save()
        self._tell()

    def _prepare(self, part: plan.Part) -> list[Any]:
        patience = int(plan.PREPARE_LIMIT) // 2
        return self._part(part, f"{part.name} prepared", preparing=True, patience=patience)

    def _part(self, part: plan.Part, file: str, **options: Any) -> list[Any]:
        given = json.dumps({"arguments": dict(part.arguments), **options})
        to = self.folder / f"{file}.json"
        to.unlink(missing_ok=True)
        return [sys.executable, "-W", "ignore", *PART, part.function, given, to, self.kernels]

    def _left(self, file: str) -> dict[str, Any]:
        """The results that a part wrote so far; empty if none."""
        left = self.folder / f"{file}.json"
        found: dict[str, Any] = json.loads(left.read_text()) if left.is_file() else {}
        return found

    def _compile(self) -> None:
        target = "sm_" + self.gpu["capability"].replace(".", "")
        compiling = [sys.executable, "-m", "edgeser", "compile", "--target", target]
        failed, _ = self.command([*compiling, "--out", COMPILED], plan.COMPILE_LIMIT)
        self.parts[plan.COMPILE] = {"failed": failed}
        self.kernels = self.folder / (SHIPPED if failed else COMPILED)
        self._say(plan.COMPILE, failed)

    def measure(self, part: plan.Part, to_come: int = 0) -> dict[str, Any]:
        """The results of a part, with the reason in ``cut`` if it did not finish.

        ``{"failed": why}`` if there are none. ``to_come`` parts follow.
        """
        limit = plan.allowed(part.limit, self.elapsed, to_come)
        if not limit:
            return {"failed": "no time was left"}
        given_up = self.given_up.get(part.name, {})
        options = {"patience": plan.PATIENCE, "given_up": given_up} if part.contest else {}
        failed, _ = self.command(self._part(part, part.name, **options), limit)
        self._say(part.name, failed)
        left = self._left(part.name)
        if not left:
            return {"failed": failed or "it left no result"}
        return left if failed is None else {**left, "cut": failed}

    def command(self, command: Sequence[Any], limit: float) -> tuple[str | None, str]:
        """Runs a command in the copy; returns why it failed, None if it did not, and its output."""
        return self._start(command).finish(limit)

    def save(self) -> None:
        """Writes the results so far."""
        goals = {
            title: [
                {**asdict(goal), "measured": _or_none(goal.measured), "reached": goal.reached}
                for goal in section
            ]
            for title, section in sections(self.parts, self.commands).items()
        }
        figures = {**self.gpu, "goals": goals, "parts": self.parts}
        save(stem(self.gpu["gpu"]), figures, self.page(), self.out)

    def page(self) -> str:
        """All tables."""
        judged = sections(self.parts, self.commands)
        reached, wanted = count(judged)
        cut = [f"{name} ({part['cut']})" for name, part in self.parts.items() if "cut" in part]
        facts = {
            **self.gpu,
            "reached": reached,
            "wanted": wanted,
            "seconds": self.elapsed,
            "cut": f"\nCut short, and judged by what was left: {', '.join(cut)}.\n" if cut else "",
        }
        version = re.findall('"(.*)"', (ROOT / "edgeser" / "version.py").read_text())[-1]
        side_by_side = [
            latencies("Front ends", self.parts, [plan.features(n) for n in plan.SEGMENTS]),
            latencies("Steps", self.parts, [plan.step(streams) for streams in plan.STREAMS]),
            latencies("Lookups", self.parts, [plan.lookup(tokens) for tokens in plan.TOKENS]),
            latencies("Training steps", self.parts, [plan.TRAINING]),
        ]
        return PAGE.format(**facts, version=version) + "".join(side_by_side) + tables(judged)

    def _start(self, command: Sequence[Any]) -> LimitedProcess:
        # Otherwise the tests would decide whether Triton interprets.
        environment = {
            **os.environ,
            "PATH": search_path(),
            "TRITON_INTERPRET": "0",
            "TRITON_CACHE_DIR": str(self.cache / "triton"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.cache / "inductor"),
            "TORCHINDUCTOR_COMPILE_THREADS": "4",  # several are prepared in parallel
            "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
            "TORCHINDUCTOR_AUTOGRAD_CACHE": "1",
        }
        return LimitedProcess(list(map(str, command)), self.folder, environment)

    def _say(self, name: str, failed: str | None) -> None:
        print(f"{self.elapsed:4.0f} s  {name}{f': {failed}' if failed else ''}", flush=True)

    def _tell(self) -> None:
        """Prints the figures that are new."""
        for section in sections(self.parts, self.commands).values():
            for goal in section:
                if not math.isnan(goal.measured) and goal.what not in self._told:
                    self._told.add(goal.what)
                    print("        " + " | ".join(filter(None, goal.row())), flush=True)


def test_result(failed: str | None, said: str) -> dict[str, Any]:
    """Number of failed tests, from pytest's last line; ``failed`` if there is none."""
    lines = [line for line in said.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    if not lines:
        return {"failed": failed or "pytest ran nothing"}
    counts = {kind: int(n) for n, kind in re.findall(r"(\d+) (passed|failed|errors?)", lines[-1])}
    failures = sum(n for kind, n in counts.items() if kind != "passed")
    return {"failures": failures, "summary": lines[-1].strip("= ")}


def _preparing(part: plan.Part) -> str:
    return f"peers of {part.name} get ready"


def _never_ready(prepared: Mapping[str, Any]) -> dict[str, str]:
    """Peers that ran out of time. Other reasons may disappear, so those peers are tried again."""
    ours = ("edgeser", BOUND)
    return {
        name: why
        for name, why in prepared.get("absent", {}).items()
        if NOT_READY in why and not name.startswith(ours)
    }


def _or_none(figure: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(figure) else figure


def _pybind11() -> str:
    command = [sys.executable, "-m", "pybind11", "--cmakedir"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
