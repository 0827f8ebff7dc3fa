"""Makes the Markdown page of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.goals import Goal

PAGE = """\
# {machine}

edgeser {version}, {simd} kernels, Python {python}, {cores} cores, {system}; {date}.
The machine {shared}.

Everything runs on one thread, unless noted. All contestants take turns in {rounds} rounds. A ratio
is the median of the ratios within each round; only ratios can be compared between machines. Times
are CPU time of the process, except for cold caches, several threads, starts and latencies, which
are elapsed time.
Bounds are measured in the same rounds: a buffer of the weights' size read once, and fused
multiply-adds in registers.

{reached} of {wanted} figures with a goal reach it. `csrc/LIMITS.md` says what limits the others,
and what was tried.
"""
TABLE = "| figure | measured | wanted | | |\n|---|---|---|---|---|\n"


LEVELS = """\
## Every SIMD level of this machine

Time at each level, and its share of the bound: reading the weights once for one row, otherwise the
FMA peak with vectors of the level's width.

"""


def page(
    facts: Mapping[str, object], sections: Mapping[str, Sequence[Goal]], stem: str, levels: str
) -> str:
    """All figures with their goals, the table of levels, and the plots."""
    reached, wanted = count(sections)
    pictures = "\n".join(
        f"![{picture}]({stem}-{picture}.png)\n" for picture in ("latency", "throughput", "roofline")
    )
    head = PAGE.format(**facts, reached=reached, wanted=wanted)
    return "\n".join([head, tables(sections), LEVELS + levels, pictures])


def tables(sections: Mapping[str, Sequence[Goal]]) -> str:
    """A table for each section."""
    parts = []
    for title, section in sections.items():
        rows = "\n".join("| " + " | ".join(goal.row()) + " |" for goal in section)
        parts.append(f"## {title}\n\n{TABLE}{rows}\n")
    return "\n".join(parts)


def count(sections: Mapping[str, Sequence[Goal]]) -> tuple[int, int]:
    """Number of goals reached, and of goals."""
    goals = [goal for section in sections.values() for goal in section]
    verdicts = [goal.reached for goal in goals if goal.reached is not None]
    return sum(verdicts), len(verdicts)
