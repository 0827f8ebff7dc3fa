"""bench/gpu without a GPU: measurements at toy sizes, interpreted; verdicts on made-up figures."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import weakref
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

import edgeser
from bench.gpu import __main__ as run
from bench.gpu import capacity, end_to_end, features, judge, lookup, plan, step, training
from bench.gpu.ahead_of_time import AheadOfTime
from bench.gpu.bounds import tacn_work, vq_work
from bench.gpu.clock import recorded
from bench.gpu.harness import Candidate, Harness, Ready, at_most, contest
from bench.gpu.plan import AHEAD, ALONE, COPY, JIT, ON_DEVICE, PRODUCT
from bench.worker import AbsentError
from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda.front_end_shape import front_end_model
from edgeser.backends.cuda.shapes import TacnShape, VQShape
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from tests.backends.cuda.fake import FakeDevice, fake_device, fake_engine, make_index
from tests.backends.cuda.interpreted import Interpreting, make_full_index
from tests.kernels.tensor_cores import interpreted
from tests.sounds import speech_like

SMALL = {"copied": 1 << 10, "side": 16}
"""Bounds that take no time."""


@pytest.fixture(scope="module")
def harness(toy_path: Path) -> Harness:
    """The toy, two layers of it."""
    toy = read_bundle(toy_path)
    manifest = toy.manifest._replace(sizes=toy.manifest.sizes._replace(layers=2))
    tensors = {n: t[:2] if n.startswith("tacn.") else t for n, t in toy.tensors.items()}
    bundle = toy._replace(manifest=manifest, tensors=tensors)
    return Harness(bundle, None, torch.device("cpu"), rounds=1, patience=600)


@pytest.fixture
def quick_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile traces, and compiles nothing: a compiler for GPUs has nothing to do here."""
    compiled = torch.compile

    def traced(module: Any, mode: str | None = None, **options: Any) -> Any:
        assert mode in (None, "default")  # with others it gets no CUDA graph, or not ready
        return compiled(module, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", traced)


@pytest.mark.usefixtures("quick_compile")
def test_a_step_is_measured_beside_peers_that_agree(harness: Harness) -> None:
    result = step.measure(harness, 2, latencies=3)
    names = [
        "edgeser JIT",
        "edgeser JIT bfloat16",
        "PyTorch",
        "PyTorch in a CUDA graph",
        "offline recompute",
        "torch.compile",
    ]
    assert list(result["absent"]) == [AHEAD], result["absent"]
    assert list(result["seconds"]) == [n + end for n in names for end in ("", ON_DEVICE)]
    assert all(s > 0 for seconds in result["seconds"].values() for s in seconds)
    assert len(result["latencies"]) == 3
    json.dumps(result)


def test_a_step_is_measured_beside_its_bounds(harness: Harness) -> None:
    result = step.beside_bounds(harness, 3, **SMALL)
    assert set(result["seconds"]) == {n + ON_DEVICE for n in (JIT, COPY, PRODUCT)}
    assert result["amounts"] == {COPY: 1 << 10, PRODUCT: 2 * 16**3}
    json.dumps(result)


@pytest.mark.usefixtures("quick_compile")
def test_a_lookup_is_measured_beside_peers_that_agree(harness: Harness) -> None:
    result = lookup.measure(harness, 3, **SMALL)
    assert list(result["absent"]) == [AHEAD], result["absent"]
    assert {n.removesuffix(ON_DEVICE) for n in result["seconds"]} == {
        *(JIT, "PyTorch in a CUDA graph", "torch.compile"),
        *(ALONE, COPY, PRODUCT),
    }
    json.dumps(result)


@pytest.mark.usefixtures("quick_compile")
def test_a_front_end_is_measured_beside_peers_that_agree(harness: Harness) -> None:
    with interpreted():
        result = features.measure(harness, 2)
    assert list(result["absent"]) == [AHEAD], result["absent"]
    assert {n.removesuffix(ON_DEVICE) for n in result["seconds"]} == {
        *("edgeser JIT", "edgeser JIT bfloat16", "PyTorch in a CUDA graph", "torch.compile")
    }
    json.dumps(result)


def test_the_peer_reads_harmonics_too() -> None:
    """The bundled model's front end in PyTorch is that of the CPU."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    model = front_end_model(bundle)
    assert model is not None
    sound = speech_like(0.4)[None, : model.segment].copy()
    levels = np.full(1, -40, np.float32)
    found = features.Peer(model, torch.device("cpu"))(*map(torch.from_numpy, (sound, levels)))
    for one, other in zip(found, Engine(bundle).front_end(sound, levels), strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=1e-4 * np.abs(other).max())


@pytest.mark.usefixtures("quick_compile")
def test_a_training_step_is_measured(harness: Harness) -> None:
    result = training.measure(harness, batch=1, time=3)
    assert result["absent"] == {}
    assert {"edgeser", "PyTorch", "torch.compile"} < set(result["seconds"])


def test_streams_are_added_until_there_is_no_time_or_memory(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreted = capacity.measure(harness, ladder=(2,), steps=2)["steps"]["2"]
    assert interpreted["p99"] >= interpreted["p50"] > 0

    def step_of(_harness: Harness, streams: int, _steps: int) -> tuple[float, float]:
        if streams > 100:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return 0.001, 0.002 * streams

    monkeypatch.setattr(capacity, "_step", step_of)
    slow = capacity.measure(harness, ladder=(10, 65, 66), steps=2)
    assert (list(slow["steps"]), slow["stopped"]) == (["10", "65"], "65 streams take 130 ms")
    large = capacity.measure(harness, ladder=(10, 1000), steps=2)
    assert large["stopped"] == "1,000 streams: the GPU has not enough memory"


def test_a_whole_hop_is_measured_around_its_graph(toy_path: Path, tmp_path: Path) -> None:
    bundle = read_bundle(toy_path)
    device = fake_device(bundle)
    engine = fake_engine(bundle, device, make_index(tmp_path, bundle), in_graph=False)
    result = end_to_end.figures(edgeser.Model(engine), hops=4, pools=(1, 3))
    assert result["front_end"] == "numpy"
    assert list(result["pools"]) == ["1", "3"]
    assert all(s["p99"] >= s["p50"] > 0 < s["graph"] for s in result["pools"].values())
    assert device.launches >= 2 * 2 * 4


class Patient(FakeDevice):
    """Takes addresses of tensors, and so computes nothing."""

    def synchronize(self) -> None:
        self._queue.clear()


class PatientAll(Patient, Interpreting):
    """The same with the front end's kernels."""


def test_compiled_kernels_are_given_the_tensors_by_name(toy_path: Path, tmp_path: Path) -> None:
    bundle = read_bundle(toy_path)
    make_index(tmp_path, bundle)
    harness = Harness(bundle, tmp_path, torch.device("cpu"))
    device = Patient(harness.tacn, harness.vq)
    ahead = AheadOfTime(harness, lambda: device)
    rows = torch.arange(5, dtype=torch.int32)
    floats, states = torch.zeros(5, 64), torch.zeros(5, harness.tacn.block_bytes, dtype=torch.uint8)
    ahead.tacn_step(floats, states, rows, floats).call()
    ahead.vq_fusion(floats, floats, floats, rows).call()
    assert device.launches == 2
    assert {symbol for symbol, _, _ in device.log} == {"tacn_step", "vq_fusion"}
    make_full_index(tmp_path, bundle)
    ahead = AheadOfTime(harness, lambda: PatientAll(harness.tacn, harness.vq, silent=True))
    ahead.front_end(floats, floats, floats, floats, floats).call()
    with pytest.raises(AbsentError, match="no kernels were compiled"):
        AheadOfTime(Harness(bundle, None, torch.device("cpu")))


class Recording:
    """CUDA's graphs as PyTorch has them: they know where a tensor is, and do not keep it."""

    def __init__(self) -> None:
        self.named: list[weakref.ref[torch.Tensor]] = []

    def replay(self) -> None:
        assert all(tensor() is not None for tensor in self.named), "memory was given back"


def test_recorded_work_keeps_all_that_its_graph_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording()
    stream = SimpleNamespace(wait_stream=lambda _: None)
    cuda = {
        **dict.fromkeys(("Stream", "current_stream"), lambda _device: stream),
        "stream": lambda _stream: nullcontext(),
        "synchronize": lambda _device: None,
        "CUDAGraph": lambda: recording,
        "graph": lambda _graph: nullcontext(),
    }
    for name, stand_in in cuda.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)

    def of_a_tensor() -> step.Work:
        weights = torch.zeros(3)
        return recorded(lambda: recording.named.append(weakref.ref(weights)), torch.device("cuda"))

    timed = of_a_tensor().timed()  # a contest keeps no more than this
    gc.collect()
    assert recording.named
    assert timed() > 0
    del timed
    gc.collect()
    with pytest.raises(AssertionError, match="given back"):
        recording.replay()


def test_who_is_late_or_wrong_or_fails_is_absent(harness: Harness) -> None:
    right = Ready(step.Work(lambda: None, harness.device), np.ones(3))

    def late() -> Ready:
        time.sleep(5)
        return right

    def failing() -> Ready:
        raise ValueError("so it is\nand more")

    wrong = Ready(right.work, np.zeros(3))
    hasty = Harness(harness.bundle, None, harness.device, rounds=1, patience=1)
    result = contest(
        hasty,
        [
            Candidate("right", lambda: right),
            Candidate("late", late),
            Candidate("wrong", lambda: wrong),
            Candidate("failing", failing),
        ],
    )
    assert list(result["seconds"]) == ["right", "right" + ON_DEVICE]
    assert dict(result["absent"]) == {
        "late": "not ready within 1 s",
        "wrong": "its answer is another",
        "failing": "ValueError: so it is",
    }
    with at_most(1):
        pass
    time.sleep(1.2)  # nothing rings after it is over


def test_the_work_is_what_a_pencil_gives() -> None:
    step_of_two = tacn_work(TacnShape(4, 2, 3, (1, 2), 5), 2)
    a_stream = 4 * (2 * 3 * 12 + 4 + 5) + 16 + 4  # rings: two taps read, one written, both layers
    weights = 4 * (2 * 6 * 16 + 2 * 4 + 4 * 5)
    assert step_of_two["bytes"] == 2 * a_stream + weights
    assert step_of_two["flops"] == 2 * 2 * (2 * 6 * 16 + 4 * 5)
    one_token = vq_work(VQShape(8, 4, 2, 6, 3), 1)
    assert one_token["flops"] == 2 * (2 * 4 * 8 + 6 * 3)
    assert one_token["bytes"] == 4 * (2 * 4 + 6 + 2 + 3) + 4 * (8 * 4 + 6 * 3 + 2 * 8 * 3)


def made_up(ours: float, theirs: float, **more: float) -> dict[str, Any]:
    """A contest whose seconds are invented."""
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
