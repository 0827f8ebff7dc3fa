"""The benchmark's report, from made-up timings."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from bench import judge
from bench.goals import AT_MOST, Goal
from bench.machines import level_table, write
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
    text = page(dict.fromkeys(names, "x"), sections, "x", "| kernel | avx2 |\n")
    assert "1 of 2 figures" in text
    assert "| two | 3 s | at most 1 s | **missed** | so it is |" in text
    assert "x-roofline.png" in text
    assert "| kernel | avx2 |" in text


def test_every_level_has_a_column_and_a_share_of_its_own_bound() -> None:
    def case(rows: int, ours: float) -> Case:
        seconds = {"flop": [1e-11], "read": [4e-6], "fuse": [ours]}
        return Case({"flops": 4e5, "vectors": rows}, Rounds(seconds))

    wide, narrow = case(64, 5e-6), case(64, 8e-6)
    table = level_table(
        {"avx512": {"lookup": wide, "one": case(1, 8e-6)}, "avx2": {"lookup": narrow}}
    )
    assert "| kernel | avx512 | avx2 |" in table
    assert "| lookup | 5 µs, 0.80 | 8 µs, 0.50 |" in table
    assert "| one | 8 µs, 0.50 |  |" in table


def test_machines_stand_side_by_side_with_their_levels(tmp_path: Path) -> None:
    def left(name: str, simd: str, *goals: Goal) -> None:
        about = {"machine": name, "simd": simd, "date": "today", "version": "1"}
        said = [{**asdict(goal), "reached": goal.reached} for goal in goals]
        (tmp_path / f"{name}.json").write_text(json.dumps({**about, "goals": {"A": said}}))

    left("a", "avx2", Goal("one", 2, 3), Goal("two", 1))
    left("b", "neon", Goal("one", 4, 3))
    (tmp_path / "other.json").write_text("{}")
    write(tmp_path)
    text = (tmp_path / "machines.md").read_text()
    assert "| figure | a, avx2, today, version 1 | b, neon, today, version 1 |" in text
    assert "| one | 2 **missed** | 4 reached |" in text
    assert "| two | 1 |  |" in text
