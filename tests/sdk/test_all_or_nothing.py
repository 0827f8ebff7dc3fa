"""If the model itself fails in the middle, the stream is as it was before the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import edgeser
from edgeser.stream import lane_of
from tests.sounds import noise, speech_like, whole


class Failing:
    """Stands in for a part of the engine and fails at its n-th call, after having worked."""

    def __init__(self, real: Any, at: int, error: BaseException) -> None:
        self._real, self._left, self._error = real, at, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __call__(self, *arguments: Any) -> Any:
        result = self._real(*arguments)
        self._left -= 1
        if self._left == 0:
            raise self._error
        return result

    def step(self, *arguments: Any) -> Any:
        result = self._real.step(*arguments)
        self._left -= 1
        if self._left == 0:
            raise self._error
        return result


ERRORS = [edgeser.BackendError("out of order"), KeyboardInterrupt(), MemoryError()]


@pytest.mark.parametrize("part", ["front_end", "_fusion", "_tacn"])
@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_failure_leaves_no_trace(
    toy_model: edgeser.Model,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    at: int,
    error: BaseException,
    rate: int,
) -> None:
    sound = speech_like(2.0, rate)
    stream = toy_model.stream(rate)
    frames = stream.process(sound[:9_000])
    before = stream.state()
    engine = lane_of(stream).engine
    calls: list[Callable[[], object]] = [lambda: stream.process(sound[9_000:])]
    if at == 1:
        calls.append(stream.flush)
    for call in calls:
        with monkeypatch.context() as patch:
            patch.setattr(engine, part, Failing(getattr(engine, part), at, error))
            with pytest.raises(type(error)):
                call()
        assert stream.state() == before
    frames += whole(stream, sound[9_000:])
    assert frames == whole(toy_model.stream(rate), sound)


def test_a_failure_leaves_no_trace_in_any_stream_of_a_pool(
    toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = toy_model.pool()
    streams = [pool.stream(rate) for rate in (16_000, 48_000, 8_000)]
    pool.process({stream: noise(5_000, seed) for seed, stream in enumerate(streams)})
    before = [stream.state() for stream in streams]
    engine = lane_of(streams[0]).engine
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_tacn", Failing(engine._tacn, 2, RuntimeError()))
        with pytest.raises(RuntimeError):
            pool.process({stream: noise(9_000, seed) for seed, stream in enumerate(streams)})
    assert [stream.state() for stream in streams] == before
    assert all(pool.process({stream: noise(9_000) for stream in streams}).values())


def test_a_flush_that_is_interrupted_at_its_very_end_leaves_no_trace(
    toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = toy_model.stream(44_100)
    stream.process(speech_like(1.0, 44_100))
    before = stream.state()
    state = lane_of(stream).state

    def interrupted(state: Any) -> None:
        state.block.fill(0)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(state), "clear", interrupted)
        for call in (stream.flush, stream.reset):
            with pytest.raises(KeyboardInterrupt):
                call()
            assert stream.state() == before
    assert stream.flush().frames


def test_values_that_overflow_are_an_error_not_a_result(
    toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = toy_model.stream(16_000)
    kernel = lane_of(stream).engine._tacn

    class Overflowing:
        keep, put_back = kernel.keep, kernel.put_back

        def step(self, tokens: np.ndarray, states: list[np.ndarray]) -> np.ndarray:
            return np.full_like(kernel.step(tokens, states), np.nan)

    stream.process(noise(5_000))
    before = stream.state()
    monkeypatch.setattr(lane_of(stream).engine, "_tacn", Overflowing())
    with pytest.raises(edgeser.BackendError, match="not finite"):
        stream.process(noise(2_048))
    assert stream.state() == before


def test_onnx_runtimes_own_errors_become_ours(toy_model: edgeser.Model) -> None:
    front_end = lane_of(toy_model.stream(16_000)).engine.front_end
    with pytest.raises(edgeser.BackendError, match="front end failed"):
        front_end(np.zeros((1, 7), np.float32), np.zeros(1, np.float32))
