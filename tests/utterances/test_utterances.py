"""Utterances: when they begin and end, what they were, and that they go on for ever."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

import edgeser
from edgeser.bundle import Thresholds
from edgeser.streaming.utterances import (
    Emotion,
    Endpointer,
    Endpointing,
    SpeechStarted,
    Utterance,
    UtteranceEvent,
    Utterances,
)

HOP = 0.125
THRESHOLDS = Thresholds(0.5, 0.0)
SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def frames(speech: str, label: int = 1) -> list[edgeser.EmotionFrame]:
    """One a character: ``#`` is speech, ``.`` is none."""
    probabilities = {"a": 0.2, "b": 0.8} if label else {"a": 0.9, "b": 0.1}
    return [
        edgeser.EmotionFrame(
            (i + 1) * HOP, "b", 0.8, probabilities, 1.0 if mark == "#" else 0.1, -30.0
        )
        for i, mark in enumerate(speech)
    ]


def endpointer(**rules: float | bool) -> Endpointer:
    lengths = {"onset": 2 * HOP, "hangover": 3 * HOP, "longest": 12 * HOP, **rules}
    return Endpointer(("a", "b"), THRESHOLDS, HOP, Endpointing(**lengths))  # type: ignore[arg-type]


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
def test_when_it_begins_and_ends(speech: str, events: str) -> None:
    assert kinds(endpointer().hear(frames(speech))) == events


def test_an_utterance_is_from_its_first_to_its_last_speech() -> None:
    events = endpointer().hear(frames("...##.#...."))
    started, ended = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, Utterance)
    assert started.time == ended.start == 3 * HOP
    assert ended.end == 7 * HOP
    assert [f.time for f in ended.timeline] == [4 * HOP, 5 * HOP, 6 * HOP, 7 * HOP]
    assert ended.verdict.speech_seconds == 3 * HOP
    assert ended.verdict.duration == 4 * HOP
    assert (ended.label, ended.ended) == ("b", "silence")


def test_one_verdict_knows_nothing_of_the_one_before() -> None:
    ears = endpointer()
    first = ears.hear(frames("####...", label=0))[-1]
    second = ears.hear(frames("####...", label=1))[-1]
    assert isinstance(first, Utterance)
    assert isinstance(second, Utterance)
    assert (first.label, second.label) == ("a", "b")


def test_the_clock_goes_on_when_the_stream_was_reset() -> None:
    ears = endpointer()
    ears.hear(frames("####..."))
    assert ears.reset_due
    ears.was_reset(1.0)
    assert not ears.reset_due
    started = ears.hear(frames("..##"))[0]
    assert isinstance(started, SpeechStarted)
    assert started.time == 1.0 + 2 * HOP


def test_without_reset_none_is_asked_for() -> None:
    ears = endpointer(reset=False)
    ears.hear(frames("####..."))
    assert not ears.reset_due


def test_the_end_of_a_stream_ends_the_utterance() -> None:
    ears = endpointer()
    ears.hear(frames("..###"))
    (ended,) = ears.flush()
    assert isinstance(ended, Utterance)
    assert ended.ended == "flush"
    assert ears.flush() == []


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"speech": 1.0}, "the speech threshold is 1.0: it lies between 0 and 1"),
        ({"hangover": 0.0}, "hangover is 0.0 s: give a length above 0"),
        ({"onset": float("nan")}, "onset is nan s"),
        ({"longest": 0.1}, "an utterance of at most 0.1 s never begins after 0.25 s"),
    ],
)
def test_odd_rules_are_refused(rules: dict[str, float], said: str) -> None:
    with pytest.raises(edgeser.AudioError, match=said):
        Endpointing(**rules)  # type: ignore[arg-type]


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
    assert len(frames) == pytest.approx(2 * whole / model.hop, abs=8)  # a reset loses part of a hop
    assert times[-1] == pytest.approx(2 * whole + 100.0, abs=2 * model.hop)
    assert not any(whole + model.hop < time < 100.0 + whole for time in times)


def test_the_last_hour_is_as_good_as_the_first() -> None:
    """After many utterances one is heard to the bit as if nothing had ever come before it."""
    sound, rate = sample()
    spoken = soxr.resample(sound, rate, 16_000)
    rounds = np.tile(np.concatenate([spoken, np.zeros(32_000, np.float32)]), 12)
    model, block = edgeser.load(), 512
    endless = Utterances(model, 16_000)
    ends: list[tuple[int, Utterance]] = []
    for at in range(0, len(rounds) - block, block):
        events = endless.process(rounds[at : at + block])
        ends += [(at + block, event) for event in events if isinstance(event, Utterance)]
    assert len(ends) > 20
    (since, _), (until, last) = ends[-2:]
    fresh = Utterances(model, 16_000)
    alone = [e for e in fresh.process(rounds[since:until]) if isinstance(e, Utterance)]
    assert len(alone) == 1
    assert alone[0].verdict.probabilities == last.verdict.probabilities
    assert alone[0].verdict.speech_seconds == pytest.approx(last.verdict.speech_seconds)
    assert alone[0].start + since / 16_000 == pytest.approx(last.start)
