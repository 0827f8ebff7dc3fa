"""Threads share a model; each stream belongs to one thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import edgeser
from tests.forged import busy
from tests.sounds import push, speech_like


def test_ten_threads_on_one_model_give_the_same_bits(model: edgeser.Model) -> None:
    sounds = [speech_like(3.0, seed=seed) for seed in range(10)]
    together = threading.Barrier(10)

    def listen(sound: np.ndarray) -> tuple[list[edgeser.EmotionFrame], edgeser.Verdict]:
        stream = model.stream(16_000)
        together.wait(timeout=60)
        return push(stream, sound, 700), stream.flush()

    with ThreadPoolExecutor(10) as threads:
        heard = list(threads.map(listen, sounds))
    for sound, (frames, verdict) in zip(sounds, heard, strict=True):
        stream = model.stream(16_000)
        assert (stream.process(sound), stream.flush()) == (frames, verdict)


def test_two_threads_that_meet_in_a_stream(toy_model: edgeser.Model) -> None:
    stream = toy_model.stream(16_000)
    stream.process(speech_like(0.5))
    before = stream.state()
    calls = (
        lambda: stream.process(speech_like(0.5)),
        stream.flush,
        stream.reset,
        stream.state,
        stream.new_speaker,
        lambda: stream.calibrate(speech_like(0.5)),
        lambda: stream.speaker,
    )
    with busy(stream):
        for call in calls:
            with ThreadPoolExecutor(1) as other, pytest.raises(edgeser.StreamBusyError):
                other.submit(call).result()
    assert stream.state() == before


def test_a_stream_may_be_handed_from_thread_to_thread(toy_model: edgeser.Model) -> None:
    sound = speech_like(2.0)
    stream = toy_model.stream(16_000)
    frames: list[edgeser.EmotionFrame] = []
    for at in range(0, len(sound), 1_000):
        with ThreadPoolExecutor(1) as fresh:
            frames += fresh.submit(stream.process, sound[at : at + 1_000]).result()
    assert frames == toy_model.stream(16_000).process(sound)
