"""Compares figures with their goals."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

AT_LEAST, AT_MOST = "at least", "at most"
_TESTS: dict[str, Callable[[float, float], bool]] = {AT_LEAST: operator.ge, AT_MOST: operator.le}


@dataclass(frozen=True)
class Goal:
    """One figure, its goal, and what limits it."""

    what: str
    measured: float
    wanted: float | None = None
    """None for a figure without a goal."""
    sense: str = AT_LEAST
    unit: str = ""
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        return None if self.wanted is None else _TESTS[self.sense](self.measured, self.wanted)

    def row(self) -> tuple[str, str, str, str, str]:
        """What, the figure, what is wanted, the verdict, the note."""
        verdict = {True: "reached", False: "**missed**", None: ""}[self.reached]
        wanted = "" if self.wanted is None else f"{self.sense} {number(self.wanted)}{self.unit}"
        measured = "none" if math.isnan(self.measured) else f"{number(self.measured)}{self.unit}"
        return self.what, measured, wanted, verdict, self.note


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.5f}"
