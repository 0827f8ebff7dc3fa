"""Nothing looks ahead, and nothing remembers beyond the receptive field."""

from __future__ import annotations

import pytest

import edgeser
from edgeser.stream import lane_of
from tests.sounds import noise, speech_like


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("cut", [0.3, 0.5, 0.77])
def test_the_future_changes_no_past_frame(model: edgeser.Model, rate: int, cut: float) -> None:
    sound = speech_like(3.0, rate)
    other = sound.copy()
    at = round(cut * len(sound))
    other[at:] = noise(len(sound) - at, level=0.3)
    stream = model.stream(rate)
    frames, others = stream.process(sound), model.stream(rate).process(other)
    ahead = stream.delay - model.hop  # what the resampler hears in advance
    past = [frame for frame in frames if frame.time <= at / rate - ahead]
    assert len(past) > 5
    assert past == others[: len(past)]
    assert frames[len(past) + 1] != others[len(past) + 1]


def test_nothing_is_remembered_beyond_the_receptive_field(model: edgeser.Model) -> None:
    hop, before = round(model.hop * model.sample_rate), 3
    field = round((model.receptive_field * model.sample_rate - 4_224) / hop) + 1
    streams = [model.stream(model.sample_rate) for _ in range(2)]
    for seed, stream in enumerate(streams):
        stream.process(noise(before * hop, seed, level=0.2))
    future = noise((field + 4) * hop, seed=9)
    same: list[bool] = []
    for at in range(0, len(future), hop):
        # The running level is the one thing with a longer memory, by design: keep it out of this.
        for stream in streams:
            lane_of(stream).state.level[0] = -20.0
        one, other = (stream.process(future[at : at + hop])[0] for stream in streams)
        same.append(one == other)
    # Segments overlap: the first after the change still hear a little of what was before it.
    overlap = -(-(4_224 - hop) // hop)
    assert all(same[field - 1 + overlap :])
    assert not all(same[: field - 1 + overlap])
    assert sum(same[: field // 2]) < field // 4
