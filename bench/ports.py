"""Estimates the inner loops on other processors: ``bench/results/ports.md``.

Each loop is compiled for its SIMD level, and LLVM's processor models (``llvm-mca``) estimate the
cycles of an iteration with all data in the L1 cache. This is an estimate, not a measurement. On
Debian: ``apt-get install llvm-19 g++ g++-aarch64-linux-gnu``.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.record import FOLDER

ROOT = Path(__file__).parents[1]
FLAGS = ("-std=c++20", "-O3", "-DNDEBUG", "-ffp-contract=off", "-fno-exceptions")
FUNCTIONS = (
    "float32_rows",
    "bfloat16_rows",
    "int8_rows",
    "float32_one",
    "bfloat16_one",
    "int8_one",
)
ITERATIONS = 200
_LABEL = re.compile(r"^(\.L\w+):")
_JUMP = re.compile(r"^\s+(?:j[a-z]+|b\.?[a-z]{2}|cbn?z\s+\w+,)\s+(\.L\w+)$")
_STACK = re.compile(r"\(%[re](?:sp|bp)\)|\[sp|\[x29")


@dataclass(frozen=True)
class Target:
    """A SIMD level, its compiler options, and the processors to estimate."""

    level: str
    type: str
    machine: str
    flags: tuple[str, ...]
    lanes: int
    processors: tuple[str, ...]

    @property
    def products(self) -> dict[str, int]:
        """Multiply-adds per instruction, by prefix of its name."""
        return {
            "vfmadd": self.lanes,
            "vpmaddwd": 2 * self.lanes,
            "vpdpbusd": 4 * self.lanes,
            "{vex} vpdpbusd": 4 * self.lanes,
            "fmla": self.lanes,
            "sdot": 4 * self.lanes,
            "smull": 2 * self.lanes,
        }


_AVX2 = ("-mavx2", "-mfma")
_AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma")
_ARM = ("cortex-a72", "cortex-a76", "cortex-a78", "neoverse-n1")
TARGETS = (
    Target("avx2", "Avx2", "x86_64", _AVX2, 8, ("haswell", "skylake", "znver3", "alderlake")),
    Target("avx_vnni", "AvxVnni", "x86_64", (*_AVX2, "-mavxvnni"), 8, ("alderlake",)),
    Target("avx512", "Avx512", "x86_64", _AVX512, 16, ("skylake-avx512",)),
    Target(
        "avx512_vnni",
        "Avx512Vnni",
        "x86_64",
        (*_AVX512, "-mavx512vnni"),
        16,
        ("icelake-server", "znver4"),
    ),
    Target("neon", "Neon", "aarch64", (), 4, _ARM),
    Target("neon_dotprod", "NeonDotprod", "aarch64", ("-march=armv8.2-a+dotprod",), 4, _ARM[1:]),
)


@dataclass(frozen=True)
class Loop:
    """One iteration of a function's innermost loop."""

    lines: tuple[str, ...]
    products: tuple[str, ...]
    multiply_adds: int

    @property
    def spills(self) -> int:
        """Instructions that access the stack, because there are too few registers."""
        return sum(bool(_STACK.search(line)) for line in self.lines)


def main(
    out: Annotated[Path, typer.Option(help="Folder for the table.")] = FOLDER,
) -> None:
    """Writes the table, for every level whose compiler is installed."""
    mca = newest_mca()
    rows: list[str] = []
    absent: list[str] = []
    for target in TARGETS:
        compiler = compiler_of(target)
        if compiler is None:
            absent.append(f"{target.level} (no compiler for {target.machine})")
            continue
        assembly = compile_loops(compiler, target)
        for function in FUNCTIONS:
            loop = find_loop(assembly, function, target)
            rows += [row(mca, target, processor, function, loop) for processor in target.processors]
    text = page(mca, rows, absent)
    out.mkdir(parents=True, exist_ok=True)
    (out / "ports.md").write_text(text)
    typer.echo(text)


def newest_mca() -> str:
    """The newest llvm-mca here, since models improve with each version. Exits if there is none."""
    for name in (*(f"llvm-mca-{version}" for version in range(30, 13, -1)), "llvm-mca"):
        if found := shutil.which(name):
            return found
    typer.echo("there is no llvm-mca: on Debian, apt-get install llvm-19", err=True)
    raise typer.Exit(1)


def compiler_of(target: Target) -> str | None:
    """GCC for the level's architecture."""
    if platform.machine().lower().replace("amd64", "x86_64") == target.machine:
        return shutil.which("g++")
    return shutil.which(f"{target.machine}-linux-gnu-g++")


def compile_loops(compiler: str, target: Target) -> str:
    """``bench/native/ports.cpp`` as assembly."""
    header = f'-DEDGESER_HEADER="simd/{target.level}.hpp"'
    command = [compiler, *FLAGS, *target.flags, header, f"-DEDGESER_LEVEL={target.type}"]
    command += ["-I", str(ROOT / "csrc"), "-S", "-o", "-", str(ROOT / "bench/native/ports.cpp")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def find_loop(assembly: str, function: str, target: Target) -> Loop:
    """The innermost loop with the most products."""
    body = assembly.split(f"\n{function}:\n", 1)[1].split(f".size\t{function}", 1)[0]
    loops = [_loop(lines, target) for lines in _innermost(body.splitlines())]
    return max(loops, key=lambda loop: loop.multiply_adds)


def _innermost(lines: list[str]) -> Iterator[tuple[str, ...]]:
    label, start = "", 0
    for at, line in enumerate(lines):
        if found := _LABEL.match(line):
            label, start = found[1], at + 1
        elif (jump := _JUMP.match(line)) and jump[1] == label:
            yield tuple(text for text in lines[start : at + 1] if not text.startswith("\t."))


def _loop(lines: tuple[str, ...], target: Target) -> Loop:
    worth = [
        (line, count)
        for line in lines
        for name, count in target.products.items()
        if line.strip().startswith(name)
    ]
    return Loop(lines, tuple(line for line, _ in worth), sum(count for _, count in worth))


def cycles(mca: str, target: Target, processor: str, lines: tuple[str, ...]) -> float:
    """Cycles of one iteration among many."""
    command = [mca, f"-mtriple={target.machine}-linux-gnu", f"-mcpu={processor}"]
    command += [f"-iterations={ITERATIONS}", "-instruction-info=0", "-resource-pressure=0"]
    said = subprocess.run(
        command, input="\n".join(lines), check=True, capture_output=True, text=True
    ).stdout
    total = re.search(r"Total Cycles:\s+(\d+)", said)
    assert total is not None, said
    return int(total[1]) / ITERATIONS


def port_limit(mca: str, target: Target, processor: str, loop: Loop) -> float:
    """Cycles that the products of an iteration occupy their ports, if nothing else does."""
    command = [mca, f"-mtriple={target.machine}-linux-gnu", f"-mcpu={processor}"]
    said = subprocess.run(
        command, input="\n".join(loop.products), check=True, capture_output=True, text=True
    ).stdout
    limit = re.search(r"Block RThroughput:\s+([\d.]+)", said)
    assert limit is not None, said
    return float(limit[1])


def row(mca: str, target: Target, processor: str, function: str, loop: Loop) -> str:
    """One line of the table."""
    turn = cycles(mca, target, processor, loop.lines)
    limit = port_limit(mca, target, processor, loop)
    precision, rows = function.split("_")
    what = f"{precision}, {'one row' if rows == 'one' else 'rows'}"
    cells = [target.level, processor, what, loop.multiply_adds, f"{turn:.1f}"]
    cells += [f"{turn / loop.multiply_adds:.4f}", f"{limit / loop.multiply_adds:.4f}"]
    return "| " + " | ".join(map(str, [*cells, f"{limit / turn:.2f}", loop.spills])) + " |"


PAGE = """\
# Inner loops and the limits of execution ports

Estimated by `python -m bench.ports` with {version}, of loops compiled by GCC;
**nothing here was measured**. The model assumes that all data are in the L1 cache, that branches
are predicted, and that nothing waits for memory. LLVM has a separate model for Neoverse N1. If the
figures of Cortex-A72, A76 and A78 are equal, it uses that of Cortex-A57 for all of them, which
multiplies one vector per cycle; A76 and A78 multiply two, like Neoverse N1.

A turn is one iteration of the innermost loop of a product: a block of rows, or one row. The limit
is the time that its products alone need on the ports that can execute them; the share is the limit
divided by the cycles of the turn. Spills are instructions of the loop that access the stack. One
row has too few sums to hide the latency of multiplications; it waits for its weights from the L2
cache anyway.

{header}
{rows}
{absent}"""
_COLUMNS = [
    *("level", "processor", "loop", "multiply-adds per turn", "cycles per turn"),
    *("cycles per multiply-add", "limit", "share", "spills"),
]
HEADER = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"


def page(mca: str, rows: list[str], absent: list[str]) -> str:
    """The whole table."""
    said = subprocess.run([mca, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"LLVM version \S+", said)
    version = f"llvm-mca ({found[0]})" if found else "llvm-mca"
    missing = f"\nNot available: {', '.join(absent)}.\n" if absent else ""
    return PAGE.format(version=version, header=HEADER, rows="\n".join(rows), absent=missing)


if __name__ == "__main__":
    typer.run(main)
