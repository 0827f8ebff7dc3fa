"""Promise 1: chunk sizes do not matter. Results are bit-identical."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeser
from tests.sounds import push, speech_like


def cut(sound: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    """``sound`` in pieces, none empty."""
    edges = sorted({0, len(sound), *(c % len(sound) for c in cuts)})
    return [sound[a:b] for a, b in pairwise(edges)]


cuts = st.lists(st.integers(min_value=1, max_value=10**9), max_size=40)


@pytest.fixture(scope="module", params=[16_000, 44_100])
def rate(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def expected(model: edgeser.Model, rate: int) -> tuple[list[edgeser.EmotionFrame], edgeser.Verdict]:
    stream = model.stream(rate)
    return stream.process(speech_like(2.1, rate)), stream.flush()


@given(cuts=cuts)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_cuts_give_the_same_bits(
    model: edgeser.Model,
    rate: int,
    expected: tuple[list[edgeser.EmotionFrame], edgeser.Verdict],
    cuts: list[int],
) -> None:
    stream = model.stream(rate)
    frames = [
        frame for chunk in cut(speech_like(2.1, rate), cuts) for frame in stream.process(chunk)
    ]
    assert (frames, stream.flush()) == expected


def test_sample_by_sample(model: edgeser.Model) -> None:
    sound = speech_like(0.5)
    one, many = model.stream(16_000), model.stream(16_000)
    assert push(many, sound, 1) == one.process(sound)
    assert many.state() == one.state()
    assert many.flush() == one.flush()


def test_a_minute_in_one_chunk(model: edgeser.Model) -> None:
    sound = speech_like(60, 48_000, seed=1)
    one, many = model.stream(48_000), model.stream(48_000)
    assert push(many, sound, 4_801) == one.process(sound)
    assert many.flush() == one.flush()


def test_the_state_does_not_remember_the_cuts_either(model: edgeser.Model) -> None:
    sound = speech_like(1.0, 44_100)
    streams = [model.stream(44_100) for _ in range(3)]
    for stream, chunk in zip(streams, (1_000, 441, 44_100), strict=True):
        push(stream, sound, chunk)
    assert len({stream.state() for stream in streams}) == 1


@pytest.mark.parametrize("channels", [2, 3, 9, 32])
def test_channels_and_memory_order(toy_model: edgeser.Model, channels: int) -> None:
    sound = np.stack([speech_like(1.0, seed=seed) for seed in range(channels)], axis=1)
    rows, columns = toy_model.stream(16_000), toy_model.stream(16_000)
    frames = push(rows, sound, 333)
    assert frames == columns.process(np.asfortranarray(sound))
    assert frames == toy_model.stream(16_000).process(sound[::-1][::-1])


def test_int16_is_float_over_32768(toy_model: edgeser.Model) -> None:
    whole_numbers = np.round(speech_like(1.0) * 32_767).astype(np.int16)
    for sound in (whole_numbers, np.stack([whole_numbers, whole_numbers[::-1]], axis=1)):
        as_float = sound.astype(np.float32) / 32_768
        frames = toy_model.stream(16_000).process(sound)
        assert frames == toy_model.stream(16_000).process(as_float)
        assert frames == toy_model.stream(16_000).process(as_float.astype(np.float64))


def test_what_comes_out_and_when(model: edgeser.Model) -> None:
    stream = model.stream(16_000)
    assert stream.process(np.zeros(2_047, np.float32)) == []
    first = stream.process(np.zeros(1, np.float32))
    assert [frame.time for frame in first] == [model.hop] == [0.128]
    rest = stream.process(np.zeros(4_096, np.float32))
    assert [frame.time for frame in rest] == [2 * 0.128, 3 * 0.128]


@pytest.mark.parametrize("samples", [1, 2_047, 2_048, 2_049, 10_000])
def test_an_utterance_of_n_samples_has_ceil_n_over_hop_frames(
    toy_model: edgeser.Model, samples: int
) -> None:
    stream = toy_model.stream(16_000)
    frames = stream.process(speech_like(1.0)[:samples])
    frames += stream.flush().frames
    assert len(frames) == -(-samples // 2_048)


def test_delay_is_kept(model: edgeser.Model) -> None:
    for rate in (16_000, 48_000, 22_050):
        stream = model.stream(rate)
        for count in range(1, 9):
            # What was pushed so far must show in a frame once ``delay`` more has come.
            due = count * model.hop + stream.delay - model.hop
            missing = int(np.ceil(due * rate)) - round(stream.position * rate)
            frames = stream.process(np.zeros(missing, np.float32))
            assert [round(frame.time / model.hop) for frame in frames] == [count]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_no_frame_comes_before_a_stream_says(toy_model: edgeser.Model, rate: int) -> None:
    """Fewer samples than ``until_frame`` give no frame; pushing it repeatedly soon gives one."""
    stream, sound, frames, pushes = toy_model.stream(rate), speech_like(3.0, rate), 0, 0
    while len(sound) > 2 * toy_model.hop * rate:
        needed = stream.until_frame
        if needed > 1:
            assert stream.process(sound[: needed - 1]) == []
        frames += len(stream.process(sound[needed - 1 : needed]))
        sound = sound[needed:]
        pushes += 1
    assert frames > 1.0 / toy_model.hop
    assert pushes < 12 * frames
