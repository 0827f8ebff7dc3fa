"""Frames and verdicts: what the numbers mean."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.bundle import Thresholds
from edgeser.decoder import Decoder
from edgeser.verdict import conclude
from tests import toy
from tests.sounds import speech_like

DECODER = Decoder(("a", "b", "c"), Thresholds(speech=0.5, confidence=0.4), hop=0.128)


def test_a_frame_is_softmax_and_sigmoid() -> None:
    frame = DECODER.frame(4, [1.0, 3.0, 2.0, 0.7], -31.0)
    powers = [math.exp(x) for x in (1.0, 3.0, 2.0)]
    assert list(frame.probabilities) == ["a", "b", "c"]
    assert list(frame.probabilities.values()) == pytest.approx([p / sum(powers) for p in powers])
    assert frame.speech == pytest.approx(1 / (1 + math.exp(-0.7)))
    assert (frame.label, frame.confidence) == ("b", frame.probabilities["b"])
    assert (frame.time, frame.level) == (5 * 0.128, -31.0)


def test_no_label_without_speech_or_confidence() -> None:
    assert DECODER.frame(0, [0.0, 9.0, 0.0, 0.0], 0.0).label == "b"  # the threshold itself counts
    assert DECODER.frame(0, [0.0, 9.0, 0.0, -1e-6], 0.0).label is None
    unsure = DECODER.frame(0, [0.0, 0.1, 0.0, 5.0], 0.0)
    assert unsure.label is None
    assert unsure.confidence == unsure.probabilities["b"] < 0.4


@pytest.mark.parametrize("logits", [[900.0, -900.0, 0.0, 900.0], [-900.0, -901.0, -902.0, -900.0]])
def test_extreme_logits(logits: list[float]) -> None:
    frame = DECODER.frame(0, logits, 0.0)
    assert sum(frame.probabilities.values()) == pytest.approx(1.0)
    assert 0.0 <= frame.speech <= 1.0


def test_a_verdict_is_the_weighted_mean_of_speech(model: edgeser.Model) -> None:
    stream = model.stream(16_000)
    frames = stream.process(speech_like(5.0))
    verdict = stream.flush()
    spoken = [f for f in (*frames, *verdict.frames) if f.speech >= model.speech_threshold]
    if not spoken:
        pytest.skip("this model takes the test sound for no speech")
    weights = [frame.speech * min(n, 24) / 24 for n, frame in enumerate(spoken, 1)]
    for label in model.labels:
        mean = np.average([frame.probabilities[label] for frame in spoken], weights=weights)
        assert verdict.probabilities[label] == pytest.approx(mean, abs=1e-12)
    assert sum(verdict.probabilities.values()) == pytest.approx(1.0)
    assert verdict.confidence == max(verdict.probabilities.values())
    assert verdict.probabilities[str(verdict.label)] == verdict.confidence
    assert verdict.duration == 5.0
    assert verdict.speech_seconds == pytest.approx(min(5.0, len(spoken) * model.hop))


def test_nobody_speaks(tmp_path: Path) -> None:
    deaf = toy.tensors()
    deaf["head.weight"][:, -1] = 0
    deaf["head.bias"][-1] = -3
    toy.write_bundle(tmp_path / "deaf.edgeser", toy.manifest(), toy.frontend(), deaf)
    model = edgeser.load(tmp_path / "deaf.edgeser")
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
    strict = toy.write(tmp_path / "strict", thresholds={"speech": 0.0, "confidence": 1.0})
    stream = edgeser.load(strict).stream(16_000)
    assert {frame.label for frame in stream.process(speech_like(2.0))} == {None}
    verdict = stream.flush()
    assert verdict.label is None
    assert verdict.confidence > 0
    assert verdict.summary == "not sure"


def test_results_cannot_be_changed(toy_model: edgeser.Model) -> None:
    frame = toy_model.stream(16_000).process(speech_like(1.0))[0]
    with pytest.raises(AttributeError):
        frame.label = "joy"  # type: ignore[misc]


def test_too_little_speech_has_no_verdict() -> None:
    def label(speech_seconds: float) -> str | None:
        sums = np.array([1.0, 0.7, 0.2, 0.1])
        thresholds = Thresholds(speech=0.5, confidence=0.4, utterance=0.5)
        return conclude(
            sums,
            ("a", "b", "c"),
            thresholds,
            duration=2.0,
            speech_seconds=speech_seconds,
            frames=(),
        ).label

    assert label(0.384) is None
    assert label(0.512) == "a"
