"""Streams on a GPU equal those on the CPU in any batch, and survive errors."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

import edgeser
from edgeser.backends.cuda.arena import FIRST_ROWS
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.index import Index
from edgeser.backends.cuda.journal import LONGEST_TURN
from edgeser.backends.cuda.stepper import GpuStepper
from edgeser.bundle import Bundle
from edgeser.model import Model
from edgeser.results import EmotionFrame
from tests.backends.cuda.fake import FakeDevice, fake_device, fake_engine
from tests.sounds import noise, push, speech_like, whole

HOP = 2048


@dataclass
class OnFake:
    """The toy on the fake GPU."""

    model: Model
    device: FakeDevice
    engine: CudaEngine


@pytest.fixture(params=["front end in graph", "front end on host", "shared memory"])
def gpu(request: pytest.FixtureRequest, toy_bundle: Bundle, toy_index: Index) -> OnFake:
    device = fake_device(toy_bundle, shares_memory=request.param == "shared memory")
    in_graph = request.param != "front end on host"
    engine = fake_engine(toy_bundle, device, toy_index, in_graph=in_graph)
    return OnFake(Model(engine), device, engine)


@pytest.fixture
def auto(toy_bundle: Bundle, toy_index: Index) -> OnFake:
    """One with CPU fallback if the GPU fails."""
    device = fake_device(toy_bundle)
    engine = fake_engine(toy_bundle, device, toy_index, in_graph=True, fall_back=True)
    return OnFake(Model(engine), device, engine)


def assert_close(found: Sequence[EmotionFrame], wanted: Sequence[EmotionFrame]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.time == other.time
        assert one.level == pytest.approx(other.level, abs=1e-4)
        assert one.speech == pytest.approx(other.speech, abs=1e-5)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_frames_are_those_of_the_cpu(gpu: OnFake, toy_model: edgeser.Model) -> None:
    sound = speech_like(9.0, 44_100)
    assert gpu.model.backend == "cuda"
    assert_close(whole(gpu.model.stream(44_100), sound), whole(toy_model.stream(44_100), sound))
    verdict = gpu.model.analyze(sound, 44_100).verdict
    assert verdict.probabilities == pytest.approx(
        toy_model.analyze(sound, 44_100).verdict.probabilities, abs=1e-5
    )


@pytest.mark.parametrize("chunk", [160, 2_048, 9_999])
def test_chunking_never_matters(gpu: OnFake, chunk: int) -> None:
    sound = speech_like(3.0)
    stream = gpu.model.stream(16_000)
    frames = push(stream, sound, chunk)
    assert frames + list(stream.flush().frames) == whole(gpu.model.stream(16_000), sound)


def test_streams_of_different_ages_share_a_padded_batch(
    gpu: OnFake, toy_model: edgeser.Model
) -> None:
    pool, count = gpu.model.pool(), 5
    streams = [pool.stream(16_000) for _ in range(count)]
    sounds = [speech_like(4.0, seed=i) for i in range(count)]
    heard: list[list[EmotionFrame]] = [[] for _ in range(count)]
    for turn in range(20):
        # They begin one after another, and each sits out every seventh time.
        part = {
            streams[i]: sounds[i][HOP * len(heard[i]) : HOP * (len(heard[i]) + 1)]
            for i in range(count)
            if turn >= i and (turn + i) % 7
        }
        for stream, frames in pool.process(part).items():
            heard[streams.index(stream)] += frames
    for frames, sound in zip(heard, sounds, strict=True):
        assert_close(frames, toy_model.stream(16_000).process(sound[: HOP * len(frames)]))
    assert len({len(frames) for frames in heard}) > 1
    lookups, steps = gpu.engine.runtime.recorded
    assert lookups == (4, 16)
    assert gpu.device.captures == len(lookups) + len(steps)


def test_a_graph_is_recorded_once_a_size(gpu: OnFake) -> None:
    pool = gpu.model.pool()
    streams = [pool.stream(16_000) for _ in range(4)]
    for count in (1, 2, 3, 4, 1, 4):
        pool.process({stream: noise(HOP, seed=count) for stream in streams[:count]})
    assert gpu.engine.runtime.recorded == ((1, 4), (1, 4))
    assert gpu.device.captures == 4
    assert gpu.device.launches == 2 * 6
    kernels = {(name, programs, threads) for name, programs, threads in gpu.device.log}
    assert kernels == {
        # 1 and 4 programs of one row fit the device; see test_launcher.py for more.
        *((name, programs, 64) for name in ("vq_fusion", "tacn_step") for programs in (1, 4))
    }


def test_more_streams_than_rows_and_than_a_batch(
    gpu: OnFake, toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GpuStepper, "largest_batch", 16)
    count = 2 * FIRST_ROWS + 3
    pool = gpu.model.pool()
    streams = [pool.stream(16_000) for _ in range(count)]
    sounds = [noise(3 * HOP, seed=i) for i in range(count)]
    heard = pool.process({s: x[:HOP] for s, x in zip(streams[:3], sounds, strict=False)})
    captures = gpu.device.captures
    for stream, frames in pool.process(
        {s: x[HOP:] if s in heard else x for s, x in zip(streams, sounds, strict=True)}
    ).items():
        heard[stream] = heard.get(stream, []) + frames
    assert gpu.device.captures > captures  # the arena has moved
    for stream, sound in zip(streams, sounds, strict=True):
        assert_close(heard[stream], toy_model.stream(16_000).process(sound))


def test_rows_are_used_again(gpu: OnFake) -> None:
    sound = noise(HOP)
    for _ in range(3 * FIRST_ROWS):
        stream = gpu.model.stream(16_000)
        stream.process(sound)
        stream.flush()
        stream.process(sound)
        stream.reset()
        stream.process(sound)
    del stream
    gc.collect()
    before = gpu.device.allocated
    streams = [gpu.model.stream(16_000) for _ in range(FIRST_ROWS)]
    for stream in streams:
        assert len(stream.process(sound)) == 1
    assert gpu.device.allocated == before


def test_a_stream_moves_between_gpu_and_cpu(gpu: OnFake, toy_model: edgeser.Model) -> None:
    sound = speech_like(12.0)
    parts = np.array_split(sound, 6)
    wanted = push(toy_model.stream(16_000), sound, 5_000)
    stream, found = gpu.model.stream(16_000), []
    for part, model in zip(parts, (gpu.model, toy_model) * 3, strict=True):
        stream = model.resume(stream.state())
        found += stream.process(part)
        assert stream.state() == stream.state()
    assert_close(found, wanted)


def test_reset_and_flush_begin_anew(gpu: OnFake) -> None:
    sound = speech_like(2.0)
    stream = gpu.model.stream(16_000)
    first = whole(stream, sound)
    stream.process(noise(9_000))
    stream.reset()
    assert whole(stream, sound) == first
    assert stream.state() == gpu.model.stream(16_000).state()


@pytest.mark.parametrize("hops", [1, 40, 200], ids=lambda n: f"after {n} hops")
@pytest.mark.parametrize(
    "fault", ["graph", "synchronize", "activate", "launch", "capture", "load", "all"]
)
def test_a_failure_is_named_and_leaves_no_trace(
    gpu: OnFake, toy_model: edgeser.Model, fault: str, hops: int
) -> None:
    sound = noise((hops + 3) * HOP, seed=3)
    stream = gpu.model.stream(16_000)
    fresh = fault in {"launch", "capture", "load"}  # these happen before the first graph only
    heard = [] if fresh else stream.process(sound[: hops * HOP])
    gpu.device.fails = {fault}
    for _ in range(2):
        with pytest.raises(edgeser.DeviceError, match="the fake GPU fails to"):
            stream.process(sound[len(heard) * HOP :])
        assert stream.position == len(heard) * 0.128
    saved = stream.state()
    gpu.device.fails = set()
    assert_close(
        toy_model.resume(saved).process(sound[len(heard) * HOP :])[-3:],
        toy_model.stream(16_000).process(sound)[-3:],
    )
    heard += stream.process(sound[len(heard) * HOP :])
    assert_close(heard, toy_model.stream(16_000).process(sound))


@pytest.mark.parametrize("turn", [5, LONGEST_TURN, 2 * LONGEST_TURN + 30])
def test_a_long_chunk_that_fails_at_its_end_is_undone(
    gpu: OnFake, toy_model: edgeser.Model, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = noise((70 + turn) * HOP, seed=4)
    stream = gpu.model.stream(16_000)
    heard = stream.process(sound[: 70 * HOP])
    launches, launch = 0, type(gpu.device).check

    def fail_late(device: FakeDevice, what: str) -> None:
        nonlocal launches
        launches += what == "graph"
        if launches >= turn:
            device.fails = {"all"}
        launch(device, what)

    with monkeypatch.context() as patch:
        patch.setattr(FakeDevice, "check", fail_late)
        with pytest.raises(edgeser.DeviceError):
            stream.process(sound[70 * HOP :])
    assert stream.position == pytest.approx(70 * 0.128)
    gpu.device.fails = set()
    heard += stream.process(sound[70 * HOP :])
    assert_close(heard, toy_model.stream(16_000).process(sound))


def test_values_that_overflow_are_an_error_and_undone(
    gpu: OnFake, toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = noise(50 * HOP, seed=5)
    stream = gpu.model.stream(16_000)
    heard = stream.process(sound[: 40 * HOP])
    step = gpu.engine.runtime.step
    with monkeypatch.context() as patch:
        patch.setattr(
            gpu.engine.runtime,
            "step",
            lambda *a: np.full_like(step(*a), np.nan),
        )
        with pytest.raises(edgeser.BackendError, match="not finite"):
            stream.process(sound[40 * HOP :])
    heard += stream.process(sound[40 * HOP :])
    assert_close(heard, toy_model.stream(16_000).process(sound))


@pytest.mark.parametrize("hops", [0, 7, 150], ids=lambda n: f"after {n} hops")
def test_streams_go_on_on_the_cpu(
    auto: OnFake, toy_model: edgeser.Model, hops: int, caplog: pytest.LogCaptureFixture
) -> None:
    sounds = [noise((hops + 9) * HOP, seed=i) for i in range(3)]
    pool = auto.model.pool()
    streams = [pool.stream(16_000) for _ in sounds]
    heard = {stream: [] for stream in streams}
    if hops:
        heard = pool.process({s: x[: hops * HOP] for s, x in zip(streams, sounds, strict=True)})
    assert auto.model.backend == "cuda"
    auto.device.fails = {"all"}
    for begin, end in ((hops, hops + 4), (hops + 4, hops + 9)):
        part = {s: x[begin * HOP : end * HOP] for s, x in zip(streams, sounds, strict=True)}
        if begin == hops:  # one of them by itself
            heard[streams[0]] += streams[0].process(part.pop(streams[0]))
        for stream, frames in pool.process(part).items():
            heard[stream] += frames
    assert auto.model.backend == "cpu"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "go on on the CPU: the fake GPU fails" in record.getMessage()
    for stream, sound in zip(streams, sounds, strict=True):
        assert_close(heard[stream], toy_model.stream(16_000).process(sound))
        assert_close(stream.flush().frames, [])


def test_a_chunk_that_began_on_the_gpu_can_be_undone_on_the_cpu(
    auto: OnFake, toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = noise(60 * HOP, seed=6)
    stream = auto.model.stream(16_000)
    heard = stream.process(sound[: 40 * HOP])
    rounds, cpu = 0, auto.engine._cpu
    read = cpu.front_end

    def fail(*arguments: object) -> object:
        nonlocal rounds
        rounds += 1
        if rounds == 6:
            raise KeyboardInterrupt
        return read(*arguments)  # type: ignore[arg-type]

    auto.device.fails = {"graph"}
    with monkeypatch.context() as patch:
        patch.setattr(cpu, "_front_end", fail)
        patch.setattr(cpu, "_pool", None)
        with pytest.raises(KeyboardInterrupt):
            stream.process(sound[40 * HOP :])
    assert auto.model.backend == "cpu"
    heard += stream.process(sound[40 * HOP :])
    assert_close(heard, toy_model.stream(16_000).process(sound))


def test_a_flush_that_is_interrupted_at_its_very_end_leaves_no_trace(
    gpu: OnFake, toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = noise(40 * HOP + 99, seed=7)
    stream = gpu.model.stream(16_000)
    heard = stream.process(sound)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gpu.engine.runtime, "look", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.flush()
    heard += stream.process(sound[: 9 * HOP])
    wanted = toy_model.stream(16_000).process(np.concatenate((sound, sound[: 9 * HOP])))
    assert_close(heard, wanted)


def test_no_memory_for_more_streams_is_named(gpu: OnFake, toy_model: edgeser.Model) -> None:
    pool = gpu.model.pool()
    streams = [pool.stream(16_000) for _ in range(FIRST_ROWS + 1)]
    pool.process({stream: noise(HOP) for stream in streams[:FIRST_ROWS]})
    streams[0].process(noise(HOP))  # the graph for one stream is there then
    gpu.device.fails = {"allocate"}
    with pytest.raises(edgeser.DeviceError):
        streams[-1].process(noise(HOP))
    del streams[0]
    gc.collect()
    assert_close(streams[-1].process(noise(HOP)), toy_model.stream(16_000).process(noise(HOP)))


def test_threads_take_turns(gpu: OnFake, toy_model: edgeser.Model) -> None:
    sounds = [speech_like(3.0, seed=i) for i in range(3)]
    found: dict[int, list[EmotionFrame]] = {}

    def run(i: int) -> None:
        stream = gpu.model.stream(16_000)
        found[i] = push(stream, sounds[i], 3_000)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, sound in enumerate(sounds):
        assert_close(found[i], push(toy_model.stream(16_000), sound, 3_000))
