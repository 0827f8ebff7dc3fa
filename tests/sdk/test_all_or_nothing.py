"""If the model fails during a call, the stream's state is unchanged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeser
from edgeser.streaming.stream import session_of
from tests import toy
from tests.sounds import noise, speech_like, whole


class Failing:
    """Stands in for a front end or a speech detector; fails at its n-th call, after having worked.

    As a detector it scores half.
    """

    sample_rate = 16_000
    threshold = 0.5

    def __init__(self, real: Any = None) -> None:
        self._real, self.left, self.error = real, 0, BaseException()

    def __call__(self, *arguments: Any) -> Any:
        self._count()
        return self._real(*arguments)

    def score(self, hop: np.ndarray) -> float:
        assert hop.shape == (2_048,)
        self._count()
        return 0.5

    def reset(self) -> None:
        pass

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


ERRORS = [edgeser.BackendError("out of order"), KeyboardInterrupt(), MemoryError()]


@pytest.mark.parametrize("part", ["front end", "detector"])
@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_failure_leaves_no_trace(
    toy_path: Path, part: str, at: int, error: BaseException, rate: int
) -> None:
    model = edgeser.load(toy_path)
    sound = speech_like(2.0, rate)
    failing = Failing(model._engine.front_end)
    if part == "front end":
        model._engine.front_end = failing
    detector = failing if part == "detector" else None
    stream = model.stream(rate, detector=detector)
    frames = stream.process(sound[:9_000])
    before = stream.state()
    calls: list[Callable[[], object]] = [lambda: stream.process(sound[9_000:])]
    if at == 1:
        calls.append(stream.flush)
    for call in calls:
        failing.left, failing.error = at, error
        with pytest.raises(type(error)):
            call()
        assert stream.state() == before
    frames += whole(stream, sound[9_000:])
    assert frames == whole(model.stream(rate, detector=detector), sound)


def test_a_failure_leaves_no_trace_in_any_stream_of_a_pool(toy_path: Path) -> None:
    model = edgeser.load(toy_path)
    failing = Failing(model._engine.front_end)
    model._engine.front_end = failing
    pool = model.pool()
    streams = [pool.stream(rate) for rate in (16_000, 48_000, 8_000)]
    pool.process({stream: noise(5_000, seed) for seed, stream in enumerate(streams)})
    before = [stream.state() for stream in streams]
    failing.left, failing.error = 2, RuntimeError()
    with pytest.raises(RuntimeError):
        pool.process({stream: noise(9_000, seed) for seed, stream in enumerate(streams)})
    assert [stream.state() for stream in streams] == before
    assert all(pool.process({stream: noise(9_000) for stream in streams}).values())


def test_a_calibration_that_fails_leaves_no_trace(toy_model: edgeser.Model) -> None:
    stream = toy_model.stream(16_000, adapt=True)
    stream.process(speech_like(1.0))
    before = stream.state()
    with pytest.raises(edgeser.AudioError, match="less than 1 s of speech"):
        stream.calibrate(noise(8_000))
    with pytest.raises(edgeser.AudioError, match="NaN"):
        stream.calibrate(np.full(16_000, np.nan, np.float32))
    assert stream.state() == before


def test_values_that_overflow_are_an_error_not_a_result(tmp_path: Path) -> None:
    tensors = toy.tensors()
    tensors["head.weight"][:] = 3e38
    path = tmp_path / "overflowing.edgeser"
    toy.write_bundle(path, toy.manifest(), toy.frontend(), tensors)
    stream = edgeser.load(path).stream(16_000)
    stream.process(np.zeros(5_000, np.float32))
    before = stream.state()
    with pytest.raises(edgeser.BackendError, match="not finite"):
        stream.process(noise(20_480))
    assert stream.state() == before


def test_onnx_runtimes_own_errors_become_ours(tmp_path: Path) -> None:
    graph = toy.write(tmp_path / "graph.edgeser", layers=False)
    front_end = session_of(edgeser.load(graph, allow_onnx=True).stream(16_000)).engine.front_end
    with pytest.raises(edgeser.BackendError, match="front end failed"):
        front_end(np.zeros((1, 7), np.float32), np.zeros(1, np.float32))


def test_a_graph_gives_what_the_layers_give(toy_model: edgeser.Model, tmp_path: Path) -> None:
    """Stepped from outside the core, as by other devices."""
    graph = edgeser.load(toy.write(tmp_path / "graph.edgeser", layers=False), allow_onnx=True)
    sound = speech_like(3.0, 22_050)
    ours = whole(toy_model.stream(22_050), sound)
    theirs = whole(graph.stream(22_050), sound)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.time, one.label) == (other.time, other.label)
        assert one.speech == pytest.approx(other.speech, abs=1e-4)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
