"""bench/gpu without a GPU: parts of a run, time limits, and checks of made-up figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")

from bench.gpu import __main__ as run
from bench.gpu import capacity, end_to_end, features, judge, lookup, plan, step, training
from bench.gpu.plan import AHEAD, COPY, JIT, ON_DEVICE, PRODUCT


def made_up(ours: float, theirs: float, **more: float) -> dict[str, Any]:
    """A comparison with made-up timings."""
    latencies = {AHEAD: ours, "PyTorch": 9 * theirs, "torch.compile": theirs, **more}
    seconds = {n + end: [s, s] for n, s in latencies.items() for end in ("", ON_DEVICE)}
    return {"seconds": seconds, "absent": {"gone": "not there"}, "latencies": [ours, 2 * ours]}


def test_verdicts_on_made_up_figures() -> None:
    bounded = {
        "seconds": {JIT + ON_DEVICE: [4e-3], COPY + ON_DEVICE: [1e-3], PRODUCT + ON_DEVICE: [1e-3]},
        "amounts": {COPY: 1e9, PRODUCT: 1e12},
        "work": {"bytes": 3e9, "flops": 1e9},
        "absent": {},
    }
    parts = {
        "tests of the kernels": {"failures": 0, "summary": "9 passed in 1.0s"},
        "tests of the launching": {"failures": 2, "summary": "2 failed, 7 passed in 1.0s"},
        plan.step(1): made_up(30e-6, 300e-6),
        plan.step(64): made_up(100e-6, 300e-6),
        plan.BOUNDS: bounded,
        plan.CAPACITY: {
            "steps": {"100000": {"p50": 0.1, "p99": 0.12}, "200000": {"p50": 0.1, "p99": 0.2}},
            "stopped": "200,000 streams take 200 ms",
        },
        plan.END_TO_END: {"failed": "no GPU"},
    }
    judged = judge.sections(parts)
    goals = {goal.what: goal for section in judged.values() for goal in section}

    def figure(what: str) -> tuple[float, bool | None]:
        return goals[what].measured, goals[what].reached

    assert figure("tests of the kernels: failures") == (0, True)
    assert figure("tests of the launching: failures") == (2, False)
    assert goals["tests of the operator: failures"].note == "was not begun"
    assert figure("step of 1, until the host knows") == (pytest.approx(30), True)
    assert figure("step of 1, beside the best of PyTorch") == (pytest.approx(10), True)
    assert figure("step of 64, beside the best of PyTorch") == (pytest.approx(3), False)
    missing = goals["step of 8, beside the best of PyTorch"]
    assert missing.reached is False
    assert missing.row()[1] == "none"
    # Memory takes 3 ms of 4, three products of a thousandth of the work next to nothing.
    assert figure("step of 16,384, of the bound that governs") == (pytest.approx(0.75), True)
    assert "0.75 of 1,000 GB/s copied" in goals["step of 16,384, of the bound that governs"].note
    assert figure("streams whose step's p99 is within 128 ms, both kernels") == (100_000, True)
    assert goals["a hop of one stream"].note == "no GPU"
    assert "no gone: not there" in goals["step of 1, beside the best of PyTorch"].note


def test_verdicts_where_nothing_of_ours_took_part() -> None:
    part = made_up(1, 1)
    part["seconds"] = {n: s for n, s in part["seconds"].items() if not n.startswith(AHEAD)}
    parts = {plan.step(1): part, plan.lookup(64): part}
    judged = judge.sections(parts)
    goals = {goal.what: goal for section in judged.values() for goal in section}
    assert goals["step of 1, until the host knows"].reached is False
    assert goals["step of 1, beside the best of PyTorch"].note == "no gone: not there"


GPU = {
    **dict.fromkeys(("torch", "triton", "cuda", "driver", "python", "date"), "x"),
    "gpu": "Made-up GPU",
    "capability": "9.0",
    "multiprocessors": 1,
    "memory_gb": 1.0,
    "cores": 1,
}


def made_run(tmp_path: Path, *commands: str) -> run.Run:
    chosen = commands or plan.COMMANDS
    return run.Run(tmp_path, GPU, tmp_path / "out", time.monotonic(), chosen)


def test_commands_choose_what_is_done_and_judged(tmp_path: Path) -> None:
    assert list(judge.sections({}, ["test"])) == ["Tests"]
    assert [goal.what for goal in judge.sections({}, ["measure"])["Tests"]] == [
        "edgeser compile: failures"
    ]
    assert "tests of the kernels" not in run.programme(["measure"])
    assert "step of 1" not in run.programme(["test"])
    tested = made_run(tmp_path, "test")
    assert tested.tests_failed  # they did not come to an end
    tested.parts = {name: {"failures": 0, "summary": "1 passed"} for name in plan.TESTS}
    assert not tested.tests_failed
    tested.parts["tests of the operator"]["failures"] = 1
    assert tested.tests_failed


def test_a_failing_part_loses_nothing_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves = "import sys, time; open(sys.argv[3], 'w').write('{\"one\": 1}')\n"
    fails, hangs = "raise ValueError('so it is')", "time.sleep(60)"
    made = made_run(tmp_path)

    def measured(program: str, limit: float) -> dict[str, Any]:
        (tmp_path / "part.py").write_text(program)
        monkeypatch.setattr(run, "PART", [tmp_path / "part.py"])
        return made.measure(plan.Part("a", "f", limit))

    assert measured(leaves, 20) == {"one": 1}
    assert measured(leaves + fails, 20) == {"one": 1, "cut": "ValueError: so it is"}
    assert measured(leaves + hangs, 1) == {"one": 1, "cut": "not done within 1 s"}
    assert measured(fails, 20) == {"failed": "ValueError: so it is"}
    assert measured("import time\n" + hangs, 1) == {"failed": "not done within 1 s"}
    made.parts = {"a": {"one": 1, "cut": "so it is"}}
    assert "Cut short, and judged by what was left: a (so it is)." in made.page()
    made.began -= plan.RUN_SECONDS
    assert measured(leaves, 1) == {"failed": "no time was left"}


HANGING_PEER = """
import json, signal, sys, time
from pathlib import Path
import numpy as np
import torch
from bench.gpu.clock import Work
from bench.gpu.worker import write
from bench.gpu.harness import Candidate, Ready, Harness, contest

def never():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # as inside of a compiler
    time.sleep(60)

device = torch.device("cpu")
ready = Ready(Work(lambda: None, device), np.ones(1))
options, file = json.loads(sys.argv[2]), Path(sys.argv[3])
del options["arguments"]
harness = Harness(None, None, device, rounds=2, leave=lambda result: write(file, result), **options)
who = [Candidate("edgeser", lambda: ready), Candidate("stuck", never, slow=True)]
contest(harness, who, facts={"latencies": []})
"""


def test_a_peer_that_never_gets_ready_is_waited_for_once_and_costs_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "part.py").write_text(HANGING_PEER)
    root = str(Path(run.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    monkeypatch.setattr(run, "PART", [tmp_path / "part.py"])
    monkeypatch.setattr(plan, "PREPARE_LIMIT", 8.0)
    monkeypatch.setattr(plan, "LEAST", 8.0)
    monkeypatch.setattr(plan, "PARTS", (plan.Part(plan.step(1), "f", 8, contest=True),))
    made = made_run(tmp_path, plan.MEASURE)
    monkeypatch.setattr(made, "_compile", lambda: None)
    unprepared = made.measure(plan.PARTS[0])  # the time ends in the middle
    assert unprepared["cut"] == "not done within 8 s"
    assert unprepared["absent"] == {"stuck": "not ready when the time ended"}
    assert len(unprepared["seconds"]["edgeser"]) == 1
    made.everything()
    found = made.parts[plan.step(1)]
    assert "cut" not in found
    assert found["absent"] == {"stuck": "not ready when the time ended"}
    assert len(found["seconds"]["edgeser"]) == 2
    said = capsys.readouterr().out
    assert "peers of step of 1 get ready: not done within" in said
    assert "step of 1, until the host knows | " in said  # as it comes
    assert not made.tests_failed


def test_results_are_saved_and_shown(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    made.parts = {plan.step(1): made_up(30e-6, 300e-6), plan.COMPILE: {"failed": None}}
    made.save()
    saved = json.loads((tmp_path / "out" / "made-up-gpu.json").read_text())
    assert saved["gpu"] == "Made-up GPU"
    [goal] = [g for g in saved["goals"]["TACN step"] if g["what"].startswith("step of 1, beside")]
    assert (goal["measured"], goal["reached"]) == (10, True)
    assert saved["goals"]["Training"][0]["measured"] is None
    text = (tmp_path / "out" / "made-up-gpu.md").read_text()
    assert text.startswith("# Made-up GPU\n")
    assert "## TACN step" in text
    assert "| | step of 1 |\n|---|---|\n| edgeser | 30.0 (30.0) |\n| PyTorch | 2,700.0" in text
    assert "| gone | absent |" in text
    assert (
        "| step of 1, beside the best of PyTorch | 10 times | at least 5 times | reached |" in text
    )


def test_pytests_last_line_is_understood() -> None:
    assert run.test_result(None, "...\n===== 3 passed in 1.02s =====") == {
        "failures": 0,
        "summary": "3 passed in 1.02s",
    }
    said = "FAILED a::b\n1 failed, 3 passed, 2 skipped, 1 error in 2s"
    assert run.test_result("FAILED", said)["failures"] == 2
    assert run.test_result("not done within 1 s", "..") == {"failed": "not done within 1 s"}


def test_the_plan_fits_and_names_what_there_is() -> None:
    root = Path(run.__file__).parents[2]
    given = [one for which in plan.TESTS.values() for one in which if one.startswith("tests/")]
    assert len(given) == 7
    assert all((root / path).exists() for path in given)
    assert len({part.name for part in plan.PARTS}) == len(plan.PARTS)
    measurers = {
        "features": features,
        "step": step,
        "lookup": lookup,
        "capacity": capacity,
        "end_to_end": end_to_end,
        "training": training,
    }
    for part in plan.PARTS:
        module, function = part.function.split(":")
        assert callable(getattr(measurers[module], function))
    assert plan.allowed(60, 100) == 60
    assert plan.allowed(60, plan.RUN_SECONDS - 20) == 20
    assert plan.allowed(60, plan.RUN_SECONDS) == 0
    assert plan.allowed(60, plan.RUN_SECONDS - 100, to_come=4) == 100 - 4 * plan.LEAST
    assert plan.allowed(60, plan.RUN_SECONDS - 30, to_come=4) == plan.LEAST
    assert plan.RUN_SECONDS < 8 * 60


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(run.__file__).parents[2]
    return subprocess.run(
        ["bash", root / "bench" / "gpu.sh", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )


def test_the_script_says_what_it_would_do_and_refuses_without_a_gpu(tmp_path: Path) -> None:
    dry = script("--dry")
    assert dry.returncode == 0
    assert "step of 16,384" in dry.stdout
    assert "step of" not in script("test", "--dry").stdout
    wrong = script("tset")
    assert wrong.returncode == 2
    assert "no command tset: there are test and measure" in wrong.stderr
    refused = script("--out", str(tmp_path / "none"))
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("bench/gpu.sh: no NVIDIA GPU here")
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()
