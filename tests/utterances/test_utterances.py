"""Utterances: start, end, verdict, and endless streams."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

import edgeser
from edgeser.streaming.utterances import (
    Emotion,
    Endpointer,
    Endpointing,
    SpeechStarted,
    Utterance,
    UtteranceEvent,
    Utterances,
)
from tests import toy

HOP = 0.128
SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def frames(speech: str, label: int = 1) -> list[edgeser.EmotionFrame]:
    """One a character: ``#`` is speech, ``.`` is none."""
    shares = (0.1, 0.7, 0.1, 0.1) if label else (0.7, 0.1, 0.1, 0.1)
    probabilities = dict(zip(toy.LABELS, shares, strict=True))
    return [
        edgeser.EmotionFrame(
            (i + 1) * HOP,
            toy.LABELS[label],
            0.7,
            probabilities,
            1.0 if mark == "#" else 0.1,
            -30.0,
        )
        for i, mark in enumerate(speech)
    ]


@pytest.fixture
def endpointer(toy_model: edgeser.Model) -> Endpointer:
    return Endpointer(toy_model, Endpointing(onset=2 * HOP, hangover=3 * HOP, longest=12 * HOP))


def kinds(events: list[UtteranceEvent]) -> str:
    """``[`` speech started, ``.`` a frame, ``]`` an utterance ended."""
    marks = {SpeechStarted: "[", Emotion: ".", Utterance: "]"}
    return "".join(marks[type(event)] for event in events)


@pytest.mark.parametrize(
    ("speech", "events"),
    [
        ("........", ""),
        ("..#..#..", ""),  # too short to be speech
        ("..##...", "[.....]"),
        ("..##.#..##...", "[...........]"),  # pauses are not ends
        ("..##...##...", "[.....][.....]"),
        ("####", "[...."),
        ("#" * 12, "[............]"),  # too long
        ("#" * 15, "[............][..."),
    ],
)
def test_when_it_begins_and_ends(endpointer: Endpointer, speech: str, events: str) -> None:
    assert kinds(endpointer.hear(frames(speech))) == events


def test_an_utterance_is_from_its_first_to_its_last_speech(endpointer: Endpointer) -> None:
    events = endpointer.hear(frames("...##.#...."))
    started, ended = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, Utterance)
    assert started.time == ended.start == pytest.approx(3 * HOP)
    assert ended.end == 7 * HOP
    assert [f.time for f in ended.timeline] == [4 * HOP, 5 * HOP, 6 * HOP, 7 * HOP]
    assert ended.verdict.speech_seconds == pytest.approx(3 * HOP)
    assert ended.verdict.duration == pytest.approx(4 * HOP)
    assert (ended.label, ended.ended) == (toy.LABELS[1], "silence")


def test_one_verdict_knows_nothing_of_the_one_before(endpointer: Endpointer) -> None:
    ears = endpointer
    first = ears.hear(frames("####...", label=0))[-1]
    second = ears.hear(frames("####...", label=1))[-1]
    assert isinstance(first, Utterance)
    assert isinstance(second, Utterance)
    assert (first.label, second.label) == toy.LABELS[:2]


def test_the_end_of_a_stream_ends_the_utterance(endpointer: Endpointer) -> None:
    ears = endpointer
    ears.hear(frames("..###"))
    (ended,) = ears.flush()
    assert isinstance(ended, Utterance)
    assert ended.ended == "flush"
    assert ears.flush() == []


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"speech": 1.0}, "the speech threshold is 1.0: it lies between 0 and 1"),
        ({"speech": "0.5"}, "the speech threshold is '0.5'"),
        ({"hangover": 0.0}, "hangover is 0.0 s: give a length above 0"),
        ({"onset": float("nan")}, "onset is nan s"),
        ({"onset": 1e300, "longest": 1e301}, "onset is 1e[+]300 s: give a length above 0, at most"),
        ({"longest": float("inf")}, "longest is inf s: give a length above 0, at most 1e9"),
        ({"longest": 0.1}, "an utterance of at most 0.1 s never begins after 0.25 s"),
    ],
)
def test_odd_rules_are_refused(rules: dict[str, object], said: str) -> None:
    with pytest.raises(edgeser.AudioError, match=said):
        Endpointing(**rules)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [np.float16, np.float32, np.float64])
def test_numbers_of_numpy_are_rules(number: type[np.floating[Any]]) -> None:
    rules = Endpointing(speech=number(0.5), hangover=number(1.0), longest=np.int64(20))
    Utterances(edgeser.load(), 16_000, rules)


def sample() -> tuple[npt.NDArray[np.float32], int]:
    sound, rate = soundfile.read(SAMPLE, dtype="float32")
    return sound, rate


def heard(chunks: list[npt.NDArray[np.float32]], rate: int) -> list[UtteranceEvent]:
    utterances = Utterances(edgeser.load(), rate)
    events = [event for chunk in chunks for event in utterances.process(chunk)]
    return events + utterances.flush()


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_chunks_do_not_matter(rate: int) -> None:
    sound, recorded = sample()
    sound = soxr.resample(sound, recorded, rate)
    whole = heard([sound], rate)
    assert any(isinstance(event, Utterance) for event in whole)
    cuts, draw = [], random.Random(0)
    at = 0
    while at < len(sound):
        size = draw.choice([1, 7, 160, 480, 5000, 40_000])
        cuts.append(sound[at : at + size])
        at += size
    assert heard(cuts, rate) == whole


def test_bad_chunks_are_refused_and_nothing_is_lost() -> None:
    sound, rate = sample()
    model = edgeser.load()
    plain, disturbed = Utterances(model, rate), Utterances(model, rate)
    events: list[list[UtteranceEvent]] = [[], []]
    for start in range(0, len(sound), rate):
        chunk = sound[start : start + rate]
        events[0] += plain.process(chunk)
        with pytest.raises(edgeser.AudioError):
            disturbed.process(np.full(100, np.nan, np.float32))
        events[1] += disturbed.process(chunk)
    assert events[0] == events[1]


def test_every_frame_is_told_with_its_true_time() -> None:
    sound, rate = sample()
    model = edgeser.load()
    frames: list[edgeser.EmotionFrame] = []
    utterances = Utterances(model, rate, on_frame=frames.append)
    events = utterances.process(sound)
    utterances.skip(100.0)
    later = [*utterances.process(sound), *utterances.flush()]
    inside = [event.frame for event in (*events, *later) if isinstance(event, Emotion)]
    assert inside
    assert all(frame in frames for frame in inside)
    times = [frame.time for frame in frames]
    assert times == sorted(times)
    whole = len(sound) / rate
    assert len(frames) == pytest.approx(2 * whole / model.hop, abs=4)
    assert times[-1] == pytest.approx(2 * whole + 100.0, abs=2 * model.hop)
    assert not any(whole + model.hop < time < 100.0 + whole for time in times)


def test_the_last_hour_is_as_good_as_the_first() -> None:
    """Bit-identical after any earlier audio, except for what is learned about the speaker."""
    sound, rate = sample()
    spoken = soxr.resample(sound, rate, 16_000)
    rounds = np.concatenate([spoken, np.zeros(32_000, np.float32)])
    endless = Utterances(edgeser.load(), 16_000, adapt=False)
    heard = [
        [event for event in endless.process(rounds) if isinstance(event, Utterance)]
        for _ in range(12)
    ]
    assert len(heard[0]) > 0
    for number, later in enumerate(heard):
        since = number * len(rounds) / 16_000
        assert [one.verdict.probabilities for one in later] == [
            one.verdict.probabilities for one in heard[0]
        ]
        assert [one.start - since for one in later] == pytest.approx(
            [one.start for one in heard[0]]
        )
