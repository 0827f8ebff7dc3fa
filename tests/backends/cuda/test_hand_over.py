"""GPU failures at any moment lose no stream's state, in batches and on threads."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.index import Index
from edgeser.bundle import Bundle
from edgeser.model import Model
from edgeser.results import EmotionFrame
from tests.backends.cuda.fake import FakeDevice, fake_device, fake_engine, make_index
from tests.backends.cuda.test_engine import HOP, assert_close
from tests.sounds import noise, push, speech_like


class FailsLate(FakeDevice):
    """Fails for good at its ``last`` graph; ``None`` for never."""

    last: int | None = None

    def check(self, what: str) -> None:
        if self.last is not None and self.launches >= self.last:
            self.fails = {"all"}
        super().check(what)


def opened(
    bundle: Bundle, index: Index, *, fall_back: bool, in_graph: bool = True
) -> tuple[Model, FailsLate]:
    fake = fake_device(bundle)
    device = FailsLate(fake.tacn, fake.vq)
    return Model(fake_engine(bundle, device, index, in_graph=in_graph, fall_back=fall_back)), device


def mend(device: FailsLate) -> None:
    device.last, device.fails = None, set()


@pytest.mark.parametrize("hops", [0, 3, 150], ids=lambda n: f"after {n} hops")
def test_a_batch_that_fails_in_the_middle_leaves_every_stream_as_it_was(
    toy_bundle: Bundle, toy_index: Index, toy_model: edgeser.Model, hops: int
) -> None:
    model, device = opened(toy_bundle, toy_index, fall_back=False)
    pool = model.pool()
    ages = (hops, hops // 2, 0, hops, 1)
    streams = [pool.stream(16_000) for _ in ages]
    sounds = [noise((age + 8) * HOP + 100, seed=i) for i, age in enumerate(ages)]
    heard = [s.process(x[: a * HOP + 100]) for s, x, a in zip(streams, sounds, ages, strict=True)]
    rest = {s: x[a * HOP + 100 :] for s, x, a in zip(streams, sounds, ages, strict=True)}
    positions = [stream.position for stream in streams]
    saved = [stream.state() for stream in streams]
    device.last = device.launches + 4  # of eight rounds
    for _ in range(2):
        with pytest.raises(edgeser.DeviceError, match="the fake GPU fails"):
            pool.process(rest)
        assert [stream.position for stream in streams] == positions
    # Their states can be had while the GPU is gone, and are those of before, up to rounding.
    for stream, before, sound, age in zip(streams, saved, sounds, ages, strict=True):
        wanted = toy_model.stream(16_000).process(sound)[age:]
        for state in (before, stream.state()):
            assert_close(toy_model.resume(state).process(rest[stream]), wanted)
    mend(device)
    for i, frames in enumerate(pool.process(rest).values()):
        assert_close(heard[i] + frames, toy_model.stream(16_000).process(sounds[i]))


@pytest.mark.parametrize("in_graph", [True, False], ids=["in graph", "on host"])
@pytest.mark.parametrize("round_", [1, 4, 8])
def test_a_batch_goes_on_on_the_cpu_in_the_middle(
    toy_bundle: Bundle, toy_index: Index, toy_model: edgeser.Model, round_: int, in_graph: bool
) -> None:
    model, device = opened(toy_bundle, toy_index, fall_back=True, in_graph=in_graph)
    pool = model.pool()
    streams = [pool.stream(16_000) for _ in range(5)]
    sounds = [speech_like(2.5, seed=i) for i in range(5)]
    begun = {
        s: x[: (1 + 3 * i) * HOP] for i, (s, x) in enumerate(zip(streams, sounds, strict=True))
    }
    heard = pool.process(begun)
    device.last = device.launches + round_ - 1
    for stream, frames in pool.process(
        {s: x[begun[s].size :] for s, x in zip(streams, sounds, strict=True)}
    ).items():
        heard[stream] += frames
    assert model.backend == "cpu"
    for stream, sound in zip(streams, sounds, strict=True):
        alone = toy_model.stream(16_000)
        assert_close(heard[stream], alone.process(sound))
        found, wanted = stream.flush(), alone.flush()
        assert found.label == wanted.label
        assert found.speech_seconds == wanted.speech_seconds
        assert found.probabilities == pytest.approx(wanted.probabilities, abs=1e-5)
        assert_close(found.frames, wanted.frames)
        # And it begins anew as a fresh one, on the CPU: bit for bit.
        assert stream.process(sound) == toy_model.stream(16_000).process(sound)


def test_the_bundled_model_goes_on_on_the_cpu(bundled: edgeser.Model, tmp_path: Path) -> None:
    """Its front end is our own kernel, joined with the others where all run on the CPU."""
    bundle = bundled._engine.bundle
    model, device = opened(bundle, make_index(tmp_path, bundle), fall_back=True, in_graph=False)
    sound = speech_like(3.0)
    stream, alone = model.stream(16_000), bundled.stream(16_000)
    device.last = device.launches + 12
    assert_close(stream.process(sound), alone.process(sound))
    assert model.backend == "cpu"
    assert_close(stream.flush().frames, alone.flush().frames)


def test_states_go_back_and_forth_while_a_gpu_fails(
    toy_bundle: Bundle, toy_index: Index, toy_model: edgeser.Model
) -> None:
    model, device = opened(toy_bundle, toy_index, fall_back=True)
    sound = speech_like(6.0)
    stream, found = toy_model.stream(16_000), []
    for part, where in zip(
        np.array_split(sound, 4), (toy_model, model, model, toy_model), strict=True
    ):
        stream = where.resume(stream.state())
        found += stream.process(part)
        if where is model:
            device.fails = {"all"}  # its state is asked for, and the next part comes, without it
    assert model.backend == "cpu"
    assert_close(found, push(toy_model.stream(16_000), sound, 5_000))


def test_reset_needs_no_gpu(toy_bundle: Bundle, toy_index: Index) -> None:
    model, device = opened(toy_bundle, toy_index, fall_back=False)
    fresh = model.stream(16_000).state()
    stream = model.stream(16_000)
    stream.process(noise(3 * HOP + 5))
    device.fails = {"all"}
    stream.reset()
    assert stream.state() == fresh
    stream.process(noise(HOP - 1))  # less than a hop: the GPU is not asked
    assert stream.position > 0


def test_an_interrupt_while_the_gpu_works(
    toy_bundle: Bundle,
    toy_index: Index,
    toy_model: edgeser.Model,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An earlier command still takes effect, and must not affect the next one."""
    model, _ = opened(toy_bundle, toy_index, fall_back=False)
    one, other = model.stream(16_000), model.stream(16_000)
    sounds = [speech_like(2.0, seed=i) for i in range(2)]
    heard = {s: s.process(x[: 5 * HOP]) for s, x in zip((one, other), sounds, strict=True)}

    def interrupt(device: FakeDevice) -> None:
        assert device._queue
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FakeDevice, "synchronize", interrupt)
        with pytest.raises(KeyboardInterrupt):
            one.process(sounds[0][5 * HOP : 6 * HOP])
    heard[other] += other.process(sounds[1][5 * HOP :])
    heard[one] += one.process(sounds[0][5 * HOP :])
    for stream, sound in zip((one, other), sounds, strict=True):
        assert_close(heard[stream], toy_model.stream(16_000).process(sound))


def test_threads_find_out_together_and_it_is_said_once(
    toy_bundle: Bundle,
    toy_index: Index,
    toy_model: edgeser.Model,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, device = opened(toy_bundle, toy_index, fall_back=True)
    sounds = [speech_like(3.0, seed=i) for i in range(4)]
    found: dict[int, list[EmotionFrame]] = {}
    device.last = 30  # of 4 * 23

    def run(i: int) -> None:
        found[i] = push(model.stream(16_000), sounds[i], 3_000)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.backend == "cpu"
    for i, sound in enumerate(sounds):
        assert_close(found[i], push(toy_model.stream(16_000), sound, 3_000))
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "streams go on on the CPU" in said[0]


def test_a_model_that_is_let_go_gives_all_memory_back(toy_bundle: Bundle, toy_index: Index) -> None:
    model, device = opened(toy_bundle, toy_index, fall_back=True)
    pool = model.pool()
    streams = [pool.stream(16_000) for _ in range(20)]
    pool.process({stream: noise(HOP) for stream in streams})
    assert device.allocated > 0
    engine = weakref.ref(model._engine)
    assert isinstance(engine(), CudaEngine)
    del model, pool
    gc.collect()
    assert engine() is not None  # its streams go on without it
    assert len(streams[0].process(noise(HOP))) == 1
    del streams
    gc.collect()
    assert engine() is None
    assert device.allocated == 0
