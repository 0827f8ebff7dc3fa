"""bench/gpu without a GPU: small measurements in the interpreter."""

from __future__ import annotations

import gc
import json
import time
import weakref
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

import edgeser
from bench.gpu import capacity, end_to_end, lookup, step, training
from bench.gpu.bounds import tacn_work, vq_work
from bench.gpu.clock import recorded
from bench.gpu.harness import Candidate, Harness, Ready, at_most, contest
from bench.gpu.plan import AHEAD, ALONE, COPY, JIT, ON_DEVICE, PRODUCT
from edgeser.backends.cuda.shapes import TacnShape, VQShape
from edgeser.bundle import read_bundle
from tests.backends.cuda.fake import fake_device, fake_engine, make_index

SMALL = {"copied": 1 << 10, "side": 16}
"""Bounds that take no time."""


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


class Recording:
    """CUDA graphs as in PyTorch: they store a tensor's address without keeping it alive."""

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
