"""`listen`: frames with correct times, in a loop, in asyncio, and in the background."""

from __future__ import annotations

import asyncio
import itertools
import threading
from contextlib import aclosing, closing

import numpy as np
import pytest

import edgeser
from edgeser.microphone import Event, Gap, Microphone
from edgeser.microphone.events import Chunk, Item
from edgeser.microphone.listening import Listener
from tests.microphone.fake import MIC, FakeBackend
from tests.sounds import push, speech_like

RATE = MIC.rate
SPOKEN = (32767 * speech_like(3.0, RATE)).astype(np.int16)[:, None].repeat(2, axis=1)
CHUNKS = [SPOKEN[at : at + 4_800] for at in range(0, len(SPOKEN), 4_800)]


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend(script=CHUNKS)


@pytest.fixture
def expected(toy_model: edgeser.Model) -> list[edgeser.EmotionFrame]:
    """A single stream's results for the same audio."""
    return push(toy_model.stream(RATE), SPOKEN, 960)


def test_the_whole_program(
    toy_model: edgeser.Model, backend: FakeBackend, expected: list[edgeser.EmotionFrame]
) -> None:
    with closing(edgeser.listen(toy_model, Microphone(backend=backend))) as frames:
        assert list(itertools.islice(frames, len(expected))) == expected
    assert backend.sources[0].closed


def test_ctrl_c_leaves_no_device_open(toy_model: edgeser.Model, backend: FakeBackend) -> None:
    def program() -> None:
        for _ in edgeser.listen(toy_model, Microphone(backend=backend)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        program()
    del caught
    assert backend.sources[0].closed


def test_asyncio(
    toy_model: edgeser.Model, backend: FakeBackend, expected: list[edgeser.EmotionFrame]
) -> None:
    async def program() -> list[edgeser.EmotionFrame]:
        heard = []
        listening = edgeser.listen_async(toy_model, Microphone(backend=backend))
        async with aclosing(listening) as frames:
            async for frame in frames:
                heard.append(frame)
                if len(heard) == len(expected):
                    break
        return heard

    assert asyncio.run(program()) == expected
    assert backend.sources[0].closed


def test_cancelling_a_task_that_waits_for_sound(toy_model: edgeser.Model) -> None:
    backend = FakeBackend()  # it is silent for ever

    async def listen() -> None:
        async for _ in edgeser.listen_async(toy_model, Microphone(backend=backend)):
            pass

    async def program() -> None:
        task = asyncio.create_task(listen())
        while not backend.sources:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert backend.sources[0].closed


def test_in_the_background(
    toy_model: edgeser.Model, backend: FakeBackend, expected: list[edgeser.EmotionFrame]
) -> None:
    heard: list[edgeser.EmotionFrame] = []
    done = threading.Event()

    def callback(frame: edgeser.EmotionFrame) -> None:
        heard.append(frame)
        if len(heard) == len(expected):
            done.set()

    listening = edgeser.listen_in_background(callback, toy_model, Microphone(backend=backend))
    assert done.wait(30)
    verdict = listening.stop()
    assert heard == expected
    assert verdict.duration == pytest.approx(3.0, abs=0.2)  # the last chunk may still wait
    assert backend.sources[0].closed


def test_an_error_in_the_callback_ends_it_and_is_raised_at_the_end(
    toy_model: edgeser.Model, backend: FakeBackend
) -> None:
    def callback(frame: edgeser.EmotionFrame) -> None:
        raise ZeroDivisionError(frame.time)

    listening = edgeser.listen_in_background(callback, toy_model, Microphone(backend=backend))
    listening._thread.join(timeout=30)
    assert backend.sources[0].closed
    with pytest.raises(ZeroDivisionError):
        listening.stop()


class Scripted(Microphone):
    """A fake microphone that yields given items."""

    def __init__(self, items: list[Item]) -> None:
        super().__init__(backend=FakeBackend())
        self._script = items

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._script)


def heard(
    model: edgeser.Model, items: list[Item]
) -> tuple[list[edgeser.EmotionFrame], list[Event]]:
    events: list[Event] = []
    with Listener(model, Scripted(items), on_event=events.append) as listener:
        return list(listener), events


def test_in_place_of_a_gap_comes_silence(toy_model: edgeser.Model) -> None:
    gap = Gap(3.0, 2 * RATE + 7, 2 + 7 / RATE, "lost device")
    frames, events = heard(toy_model, [Chunk(0.0, SPOKEN), gap, Chunk(5.0, SPOKEN)])
    assert events == [gap]
    silence = np.zeros((gap.samples, 2), np.int16)
    whole = np.concatenate((SPOKEN, silence, SPOKEN))
    assert frames == toy_model.stream(RATE).process(whole)


def test_a_gap_of_a_night_costs_no_more_than_the_receptive_field(
    toy_model: edgeser.Model,
) -> None:
    night = 8 * 3600
    gap = Gap(3.0, night * RATE, float(night), "lost device")
    frames, _ = heard(toy_model, [Chunk(0.0, SPOKEN), gap, Chunk(3.0 + night, SPOKEN)])
    audible = (6.0 + toy_model.receptive_field) / toy_model.hop
    assert len(frames) == pytest.approx(audible, abs=2)
    assert frames[-1].time == pytest.approx(6.0 + night, abs=0.2)
    times = [frame.time for frame in frames]
    assert times == sorted(times)


def test_every_way_to_listen_raises_the_same_error_at_first(toy_model: edgeser.Model) -> None:
    def refused() -> Microphone:
        backend = FakeBackend()
        backend.refusal = "'USB Microphone' is busy"
        return Microphone(backend=backend)

    async def program() -> None:
        async for _ in edgeser.listen_async(toy_model, refused()):
            pass

    for use in (
        lambda: next(iter(edgeser.listen(toy_model, refused()))),
        lambda: asyncio.run(program()),
        lambda: edgeser.listen_in_background(print, toy_model, refused()),
    ):
        with pytest.raises(edgeser.MicrophoneError, match="is busy"):
            use()
