"""Causality: no look-ahead, and no memory beyond the receptive field."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeser
from tests import toy
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


def test_nothing_is_remembered_beyond_the_receptive_field(tmp_path: Path) -> None:
    """But for the running level, by design, which is the same in both streams here."""
    constant = {**toy.LEVEL, "rise": 0.0, "fall": 0.0, "headroom": 1e6, "quietest": -20.0}
    tensors = toy.tensors()
    tensors["gate.out"][:] = 0  # always open
    path = tmp_path / "constant.edgeser"
    manifest = toy.manifest(normalisation=constant, level_initial=-20.0)
    toy.write_bundle(path, manifest, toy.frontend(), tensors)
    model = edgeser.load(path)
    hop, before = round(model.hop * model.sample_rate), 3
    field = round((model.receptive_field * model.sample_rate - 4_224) / hop) + 1
    streams = [model.stream(model.sample_rate) for _ in range(2)]
    for seed, stream in enumerate(streams):
        stream.process(noise(before * hop, seed, level=0.2))
    future = noise((field + 4) * hop, seed=9)
    one, other = (stream.process(future) for stream in streams)
    assert all(frame.speech >= model.speech_threshold for frame in (*one, *other))
    same = [a.probabilities == b.probabilities for a, b in zip(one, other, strict=True)]
    # Segments overlap: the first after the change still hear a little of what was before it.
    overlap = -(-(4_224 - hop) // hop)
    assert all(same[field - 1 + overlap :])
    assert not all(same[: field - 1 + overlap])
    assert sum(same[: field // 2]) < field // 4
