"""Frames and verdicts: meaning of their numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeser
from edgeser.reference.verdict import shares
from tests import toy
from tests.sounds import speech_like


def with_logits(path: Path, *logits: float, speech: float = 3.0, **changes: Any) -> edgeser.Model:
    """A toy whose every token of speech gives these logits, and whose gate this one."""
    tensors = toy.tensors()
    tensors["head.weight"][:] = 0
    tensors["head.bias"][:] = logits
    tensors["gate.out"][:] = 0
    tensors["gate.out_bias"][:] = speech
    toy.write_bundle(path, toy.manifest(**changes), toy.frontend(), tensors)
    return edgeser.load(path)


def test_a_frame_is_softmax_and_sigmoid(tmp_path: Path) -> None:
    model = with_logits(tmp_path / "toy.edgeser", 1.0, 3.0, 2.0, 0.5, speech=0.7)
    frame = model.stream(16_000).process(speech_like(1.0))[4]
    powers = [math.exp(x) for x in (1.0, 3.0, 2.0, 0.5)]
    assert tuple(frame.probabilities) == model.labels
    assert list(frame.probabilities.values()) == pytest.approx([p / sum(powers) for p in powers])
    assert frame.speech == pytest.approx(1 / (1 + math.exp(-0.7)))
    assert (frame.label, frame.confidence) == (model.labels[1], max(frame.probabilities.values()))
    assert frame.time == 5 * 0.128
    assert -60 < frame.level < 0


def test_no_label_without_speech_or_confidence(tmp_path: Path) -> None:
    logits = (0.0, 9.0, 0.0, 0.0)
    open_gate = with_logits(tmp_path / "open", *logits, speech=0.0)  # the threshold itself counts
    assert open_gate.stream(16_000).process(speech_like(1.0))[2].label == open_gate.labels[1]
    closed = with_logits(tmp_path / "closed", *logits, speech=-1e-6)
    frame = closed.stream(16_000).process(speech_like(1.0))[2]
    assert (frame.label, frame.confidence, {*frame.probabilities.values()}) == (None, 0.25, {0.25})
    assert 0.49 < frame.speech < 0.5
    unsure = with_logits(
        tmp_path / "unsure", 0.0, 0.1, 0.0, 0.0, thresholds={"speech": 0.5, "confidence": 0.4}
    )
    frame = unsure.stream(16_000).process(speech_like(1.0))[2]
    assert frame.label is None
    assert frame.confidence == frame.probabilities[unsure.labels[1]] < 0.4


def test_extreme_logits(tmp_path: Path) -> None:
    model = with_logits(tmp_path / "toy.edgeser", 900.0, -900.0, 0.0, 900.0, speech=900.0)
    frame = model.stream(16_000).process(speech_like(1.0))[0]
    assert list(frame.probabilities.values()) == [0.5, 0.0, 0.0, 0.5]
    assert frame.speech == 1.0


def test_a_verdict_is_the_weighted_mean_of_speech(model: edgeser.Model) -> None:
    stream = model.stream(16_000)
    frames = stream.process(speech_like(5.0))
    verdict = stream.flush()
    spoken = [f for f in (*frames, *verdict.frames) if f.speech >= model.speech_threshold]
    if not spoken:
        pytest.skip("this model takes the test sound for no speech")
    rows = np.array([list(frame.probabilities.values()) for frame in spoken])
    mean = shares(rows, [frame.speech for frame in spoken])
    assert list(verdict.probabilities.values()) == pytest.approx(mean, abs=1e-6)
    assert sum(verdict.probabilities.values()) == pytest.approx(1.0)
    assert verdict.confidence == max(verdict.probabilities.values())
    likeliest = max(verdict.probabilities, key=lambda label: verdict.probabilities[label])
    sure = verdict.confidence >= model.confidence_threshold
    assert verdict.label == (likeliest if sure else None)
    assert verdict.probabilities[likeliest] == verdict.confidence
    assert verdict.duration == 5.0
    assert verdict.speech_seconds == pytest.approx(min(5.0, len(spoken) * model.hop))


def test_nobody_speaks(tmp_path: Path) -> None:
    model = with_logits(tmp_path / "deaf.edgeser", 1.0, 0.0, 0.0, 0.0, speech=-3.0)
    stream = model.stream(16_000)
    frames = stream.process(speech_like(1.0))
    assert {frame.label for frame in frames} == {None}
    verdict = stream.flush()
    assert (verdict.label, verdict.confidence, verdict.speech_seconds) == (None, 0.0, 0.0)
    assert set(verdict.probabilities.values()) == {0.25}
    assert verdict.summary == "nobody speaks"


def test_nothing_came(model: edgeser.Model) -> None:
    verdict = model.stream(48_000).flush()
    assert (verdict.label, verdict.duration, verdict.frames) == (None, 0.0, ())


def test_thresholds_come_from_the_bundle(tmp_path: Path) -> None:
    thresholds = {"speech": 0.0, "confidence": 1.0}
    strict = with_logits(tmp_path / "strict", 2.0, 0.0, 0.0, 0.0, thresholds=thresholds)
    stream = strict.stream(16_000)
    assert {frame.label for frame in stream.process(speech_like(2.0))} == {None}
    verdict = stream.flush()
    assert verdict.label is None
    assert verdict.confidence > 0
    assert verdict.summary == "not sure"


def test_results_cannot_be_changed(toy_model: edgeser.Model) -> None:
    frame = toy_model.stream(16_000).process(speech_like(1.0))[0]
    with pytest.raises(AttributeError):
        frame.label = "joy"  # type: ignore[misc]


def test_too_little_speech_has_no_verdict(tmp_path: Path) -> None:
    thresholds = {"speech": 0.5, "confidence": 0.3, "utterance": 0.5}
    model = with_logits(tmp_path / "toy", 2.0, 0.0, 0.0, 0.0, thresholds=thresholds)
    for hops, label in ((3, None), (4, model.labels[0])):
        stream = model.stream(16_000)
        stream.process(speech_like(1.0)[: hops * 2_048])
        assert stream.flush().label == label
