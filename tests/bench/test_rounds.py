"""What the report makes of timings, on timings that are made up."""

from __future__ import annotations

import numpy as np
import pytest

from bench import judge
from bench.goals import AT_MOST, Goal
from bench.native import Case
from bench.page import page
from bench.rounds import Rounds, take_turns
from bench.worker import Contest, agree


def test_everyone_has_a_turn_in_each_round_and_the_first_does_not_count() -> None:
    turns: list[str] = []

    def contestant(name: str, seconds: float) -> float:
        turns.append(name)
        return seconds if len(turns) > 2 else 100.0

    took = take_turns({"a": lambda: contestant("a", 1), "b": lambda: contestant("b", 2)}, 3)
    assert turns == ["a", "b"] * 4
    assert took.seconds == {"a": [1, 1, 1], "b": [2, 2, 2]}


def test_ratios_are_taken_within_a_round() -> None:
    # Everything is three times as slow in the last round: a ratio does not see it.
    took = Rounds({"ours": [1, 1, 3], "theirs": [2, 4, 6]})
    assert took.ratio("theirs", "ours") == 2
    assert took.ratio("theirs", "ours", factor=64) == 128
    assert took.median("theirs") == 4
    assert took.best_of(["theirs", "ours"]) == "ours"


def test_the_best_peer_is_that_with_the_lowest_median() -> None:
    seconds = {"edgeser": [1.0, 1, 1], "slow": [9.0, 9, 9], "quick": [3.0, 3, 30]}
    goal = judge.beside_peers("a step", Contest(Rounds(seconds), {"gone": "not installed"}), 4)
    assert (goal.measured, goal.reached) == (3, False)
    assert "quick" in goal.note
    assert "no gone: not installed" in goal.note


def test_answers_may_differ_in_rounding_and_in_a_near_tie() -> None:
    codes = np.arange(2000)
    other = codes.copy()
    other[7] = 1900
    assert agree(codes, other, 1e-3)
    assert agree(codes, codes * 1.0001, 1e-3)
    assert not agree(codes, codes[::-1], 1e-3)
    assert not agree(codes, codes[:-1], 1e-3)


def test_a_goal_is_reached_missed_or_not_set() -> None:
    assert Goal("speed", 0.95, 0.9).reached
    assert not Goal("speed", 0.85, 0.9).reached
    assert Goal("memory", 1.2, 1.3, AT_MOST).reached
    assert not Goal("memory", float("nan"), 1.3, AT_MOST).reached
    assert Goal("state", 399).reached is None


def test_a_kernel_is_held_against_reading_and_against_the_peak() -> None:
    seconds = {
        "flop": [1e-11, 1e-11],
        "read": [4e-6, 4e-6],
        "step": [5e-6, 5e-6],
        "products": [4.5e-6, 4.5e-6],
        "read_cold": [1e-5, 1e-5],
        "step_cold": [2e-5, 2e-5],
    }
    case = Case({"bytes": 1 << 20, "flops": 4e5, "batch": 1}, Rounds(seconds))
    assert case.of_read("step") == pytest.approx(0.8)
    assert case.of_peak("step") == pytest.approx(0.8)
    warm, cold = judge.tacn({"tacn C=64": case}, {})
    assert warm.reached is False
    assert "0.89 of the bound" in warm.note
    assert cold.measured == pytest.approx(0.5)
    assert "4.0 times the warm one" in cold.note


def test_the_page_counts_and_names_what_is_missed() -> None:
    names = ("machine", "version", "simd", "python", "cores", "system", "date", "shared", "rounds")
    sections = {"A part": [Goal("one", 2, 1), Goal("two", 3, 1, AT_MOST, " s", "so it is")]}
    text = page(dict.fromkeys(names, "x"), sections, "x")
    assert "1 of 2 figures" in text
    assert "| two | 3 s | at most 1 s | **missed** | so it is |" in text
    assert "x-roofline.png" in text
