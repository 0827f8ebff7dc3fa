"""Compares the results of all machines: ``bench/results/machines.md``.

Reads earlier results from ``bench/results`` and measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.goals import Goal, number
from bench.native import Case
from bench.record import FOLDER

MICROSECOND = 1e-6
Cases = Mapping[str, Case]


def level_table(levels: Mapping[str, Cases]) -> str:
    """The kernels at every SIMD level: a row for each case, a column for each level; Markdown."""
    names = dict.fromkeys(name for cases in levels.values() for name in cases)
    rows = [
        [name, *(_cell(cases[name]) if name in cases else "" for cases in levels.values())]
        for name in names
    ]
    return _table(["kernel", *levels], rows)


def _cell(case: Case) -> str:
    """The time, and its limit's share: reading weights for one row, otherwise the FMA peak."""
    ours = case.ours
    one = case.facts.get("batch", case.facts.get("vectors")) == 1
    share = case.of_read(ours) if one else case.of_peak(ours)
    return f"{number(case.rounds.median(ours) / MICROSECOND)} µs, {share:.2f}"


def goal_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """All goals: a row for each figure, a column for each machine; Markdown."""
    columns = [
        f"{run['machine']}, {run['simd']}, {run['date']}, version {run['version']}" for run in runs
    ]
    figures: dict[str, list[str]] = {}
    for at, run in enumerate(runs):
        for section in run["goals"].values():
            for goal in section:
                cells = figures.setdefault(goal["what"], [""] * len(runs))
                cells[at] = _verdict(goal)
    return _table(["figure", *columns], [[what, *cells] for what, cells in figures.items()])


def _verdict(goal: Mapping[str, Any]) -> str:
    known = {key: value for key, value in goal.items() if key != "reached"}
    _, measured, _, verdict, _ = Goal(**known).row()
    return f"{measured} {verdict}".strip()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


PAGE = """\
# Machines side by side

Written by `python -m bench.machines` from the results of `python -m bench` on each machine, with
the SIMD level that edgeser chose there. Shares and ratios can be compared between machines; times
cannot. Goals are those on the day of the run. The AVX2 column was measured before AVX2 had its own
block sizes: `csrc/LIMITS.md` describes their effect.

{goals}"""


def runs(folder: Path) -> list[dict[str, Any]]:
    """The results of ``python -m bench`` in a folder, by file name."""
    read = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [run for run in read if isinstance(run, dict) and "simd" in run and "goals" in run]


def write(out: Path) -> None:
    """Writes the page to the results' folder."""
    (out / "machines.md").write_text(PAGE.format(goals=goal_table(runs(out))))


def main(
    out: Annotated[Path, typer.Option(help="Folder with the results, and for the page.")] = FOLDER,
) -> None:
    """Writes the page."""
    write(out)


if __name__ == "__main__":
    typer.run(main)
