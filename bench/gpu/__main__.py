"""Build, test and measure on a machine with an NVIDIA GPU; ``bash bench/gpu.sh`` starts this.

Nothing here imports what has to be built first. Everything is built in a temporary copy, so that
the checkout gets nothing but ``bench/results/<gpu>.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.gpu import plan
from bench.gpu.judge import sections
from bench.gpu.table import latencies
from bench.page import count, tables
from bench.record import FOLDER, save, stem

ROOT = Path(__file__).parents[2]
COPIED = ("CMakeLists.txt", "pyproject.toml", "bench", "csrc", "edgeser", "tests", "train")
NEEDED = ("torch", "triton", "safetensors", "pybind11", "pytest")
PART = ("-m", "bench.gpu.part")
COMPILED, SHIPPED = "compiled", "edgeser/models/default.kernels"

PAGE = """\
# {gpu}

edgeser {version}, torch {torch}, Triton {triton}, CUDA {cuda}, driver {driver}; compute capability
{capability}, {multiprocessors} multiprocessors, {memory_gb:.0f} GB; {date}.

Everyone takes a turn in each round and is recorded as a CUDA graph, but for plain PyTorch and the
training step; a ratio is taken within a round, and its median counts. Latencies are what the host
sees, from launching until it knows that all is done. Bounds are measured in the same rounds: a
copy of 1 GiB, read and written, and a product of two matrices of 8192 by 8192 in tf32, of which the
kernels need three for one of float32. `edgeser` is compiled ahead of time and launched by
cuda.core, `edgeser JIT` compiled and launched by Triton. The goals are for an H100.

{reached} of {wanted} figures with a goal reach it. It took {seconds:.0f} s.

"""


class RefusedError(Exception):
    """The run cannot begin; the message is one line that says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the tables last, and return the exit code: 1 if nothing could be measured."""
    parser = argparse.ArgumentParser(prog="bench/gpu.sh", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the results")
    options = parser.parse_args(arguments)
    if options.dry:
        print(programme())
        return 0
    began = time.monotonic()
    try:
        gpu = look()
        with tempfile.TemporaryDirectory(prefix="edgeser-gpu-") as folder:
            run = Run(Path(folder), gpu, options.out, began)
            run.build()
            run.everything()
    except RefusedError as reason:
        print(f"bench/gpu.sh: {reason}", file=sys.stderr)
        return 1
    print(run.page())
    return 0


def programme() -> str:
    """What a run does, and for how long at most."""
    rows = [
        ("build the kernels for the CPU", plan.BUILD_LIMIT),
        (plan.COMPILE, plan.COMPILE_LIMIT),
        *((f"{name} (all side by side)", plan.TESTS_LIMIT) for name in plan.TESTS),
        *((part.name, part.limit) for part in plan.PARTS),
    ]
    lines = [f"{limit:5.0f} s at most: {name}" for name, limit in rows]
    return "\n".join([*lines, f"{plan.WHOLE_SECONDS:5.0f} s for all of it"])


def look() -> dict[str, Any]:
    """What this machine has. Raises RefusedError if that is too little."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    missing += [] if shutil.which("cmake", path=_path()) else ["cmake"]
    if "torch" not in missing:
        import torch

        if not torch.cuda.is_available():
            raise RefusedError(
                "no NVIDIA GPU here that PyTorch can use: run this on a machine with one, its "
                "driver and a torch for CUDA; nothing was measured"
            )
    if missing:
        raise RefusedError(
            f"{sys.executable} lacks {', '.join(missing)}: install that, or set PYTHON to one that "
            "has it; nothing was measured"
        )
    import triton

    about = torch.cuda.get_device_properties(0)
    if about.major < 8:
        raise RefusedError(
            f"the {about.name} has compute capability {about.major}.{about.minor}, and the kernels "
            "need 8.0: run this on a newer one; nothing was measured"
        )
    return {
        "gpu": about.name,
        "capability": f"{about.major}.{about.minor}",
        "multiprocessors": about.multi_processor_count,
        "memory_gb": about.total_memory / 1e9,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
    }


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class Run:
    """One run: its folder, what is known of the machine, and what the parts have measured."""

    def __init__(self, folder: Path, gpu: dict[str, Any], out: Path, began: float) -> None:
        self.folder, self.gpu, self.out, self.began = folder, gpu, out, began
        self.parts: dict[str, Any] = {}
        self.kernels = folder / COMPILED

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def build(self) -> None:
        """Copy the source and build the CPU's kernels. Raises RefusedError."""
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

    def everything(self) -> None:
        """All tests side by side, then every part by itself. What is known is saved after each."""
        self.tests_and_kernels()
        for part in plan.PARTS:
            self.parts[part.name] = self.measure(part)
            self.save()

    def tests_and_kernels(self) -> None:
        """The GPU's tests and, beside them, our kernels compiled ahead of time: no figures yet."""
        limit = plan.allowed(plan.TESTS_LIMIT, self.elapsed)
        began = time.monotonic()
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        with ExitStack() as ends:
            running = {name: self._start([*pytest, *which]) for name, which in plan.TESTS.items()}
            for process in running.values():
                ends.callback(process.end)
            self._compile()
            for name, process in running.items():
                ended, said = process.finish(max(1.0, limit - (time.monotonic() - began)))
                self.parts[name] = told = test_result(ended, said)
                self._say(name, told.get("failed") or told["summary"])

    def _compile(self) -> None:
        target = "sm_" + self.gpu["capability"].replace(".", "")
        compiling = [sys.executable, "-m", "edgeser", "compile", "--target", target]
        failed, _ = self.command([*compiling, "--out", COMPILED], plan.COMPILE_LIMIT)
        self.parts[plan.COMPILE] = {"failed": failed}
        self.kernels = self.folder / (SHIPPED if failed else COMPILED)
        self._say(plan.COMPILE, failed)

    def measure(self, part: plan.Part) -> dict[str, Any]:
        """What a part measured, or ``{"failed": why}``."""
        limit = plan.allowed(part.limit, self.elapsed)
        if not limit:
            return {"failed": "no time was left"}
        file = self.folder / "measured.json"
        file.unlink(missing_ok=True)
        command: list[Any] = [sys.executable, "-W", "ignore", *PART]
        command += [part.function, json.dumps(dict(part.arguments)), file, self.kernels]
        failed, _ = self.command(command, limit)
        self._say(part.name, failed)
        if failed is not None or not file.is_file():
            return {"failed": failed or "it left no result"}
        result: dict[str, Any] = json.loads(file.read_text())
        return result

    def command(self, command: Sequence[Any], limit: float) -> tuple[str | None, str]:
        """Run something in the copy; why it failed, None if it did not, and what it said."""
        return self._start(command).finish(limit)

    def save(self) -> None:
        """Write what is known so far."""
        goals = {
            title: [
                {**asdict(goal), "measured": _or_none(goal.measured), "reached": goal.reached}
                for goal in section
            ]
            for title, section in sections(self.parts).items()
        }
        figures = {**self.gpu, "goals": goals, "parts": self.parts}
        save(stem(self.gpu["gpu"]), figures, self.page(), self.out)

    def page(self) -> str:
        """All tables."""
        judged = sections(self.parts)
        reached, wanted = count(judged)
        facts = {**self.gpu, "reached": reached, "wanted": wanted, "seconds": self.elapsed}
        version = re.findall('"(.*)"', (ROOT / "edgeser" / "version.py").read_text())[-1]
        side_by_side = [
            latencies("Steps", self.parts, [plan.step(streams) for streams in plan.STREAMS]),
            latencies("Lookups", self.parts, [plan.lookup(tokens) for tokens in plan.TOKENS]),
            latencies("Training steps", self.parts, [plan.TRAINING]),
        ]
        return PAGE.format(**facts, version=version) + "".join(side_by_side) + tables(judged)

    def _start(self, command: Sequence[Any]) -> Started:
        # Whether Triton interprets would else be the tests' choice.
        environment = {**os.environ, "PATH": _path(), "TRITON_INTERPRET": "0"}
        return Started(list(map(str, command)), self.folder, environment)

    def _say(self, name: str, failed: str | None) -> None:
        print(f"{self.elapsed:4.0f} s  {name}{f': {failed}' if failed else ''}", flush=True)


class Started:
    """A process in a session of its own; what it says goes to a file, so that it never waits."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when finished
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def finish(self, limit: float) -> tuple[str | None, str]:
        """Why it failed, None if it did not, and what it said.

        When its time is over it is ended, and all that it has started with it.
        """
        failed = None
        with self._said:
            try:
                self._process.wait(limit)
            except subprocess.TimeoutExpired:
                failed = f"not done within {limit:.0f} s"
            finally:
                self.end()
            self._said.seek(0)
            said = self._said.read()
        code = self._process.returncode
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if code and failed is None:
            failed = lines[-1][:300] if lines else f"ended with {code}"
        return failed, said

    def end(self) -> None:
        """End it and all that it has started, if it has not ended by itself."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def test_result(failed: str | None, said: str) -> dict[str, Any]:
    """How many tests failed, from pytest's last line; ``failed`` if it did not come to one."""
    lines = [line for line in said.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    if not lines:
        return {"failed": failed or "pytest ran nothing"}
    counts = {kind: int(n) for n, kind in re.findall(r"(\d+) (passed|failed|errors?)", lines[-1])}
    failures = sum(n for kind, n in counts.items() if kind != "passed")
    return {"failures": failures, "summary": lines[-1].strip("= ")}


def _path() -> str:
    """Where programs are looked for: first beside Python, as in a virtual environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _or_none(figure: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(figure) else figure


def _pybind11() -> str:
    command = [sys.executable, "-m", "pybind11", "--cmakedir"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
