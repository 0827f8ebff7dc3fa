"""Streams, pools and utterances under random sequences of valid and invalid calls.

State machines of Hypothesis; what they find is made small and printed as a program. More of it, for
as long as one likes: ``HYPOTHESIS_PROFILE=long pytest tests/sdk/test_machines.py``.
"""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import edgeser
from tests.sounds import speech_like

pytest.importorskip("onnx")  # the toy is made with it

from tests import toy

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SETTINGS = settings(
    max_examples=2_000 if LONG else 15,
    stateful_step_count=60 if LONG else 25,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
RATES = (8_000, 16_000, 44_100)
Sound = npt.NDArray[Any]


@lru_cache
def toy_model() -> edgeser.Model:
    with tempfile.TemporaryDirectory() as folder:
        return edgeser.load(toy.write(Path(folder) / "toy.edgeser"))


@lru_cache(maxsize=64)
def speech(rate: int, seed: int) -> Sound:
    return speech_like(1.0, rate, seed=seed)


@st.composite
def sounds(draw: st.DrawFn) -> Sound:
    """A chunk of up to half a second: speech, silence, denormals, DC, clipped; any type."""
    length = draw(st.integers(1, 8_000))
    at = draw(st.integers(0, 100))
    sound = speech(16_000, draw(st.integers(0, 3)))[at : at + length].astype(np.float32)
    kind = draw(st.sampled_from(["speech", "zeros", "minus", "denormal", "dc", "clipped"]))
    if kind == "zeros":
        sound = np.zeros_like(sound)
    elif kind == "minus":
        sound = np.full_like(sound, -0.0)
    elif kind == "denormal":
        sound = sound * np.float32(1e-40)
    elif kind == "dc":
        sound = np.full_like(sound, 0.5)
    elif kind == "clipped":
        sound = np.sign(sound)
    how = draw(st.sampled_from(["float32", "float64", "int16", "stereo", "strided"]))
    if how == "int16":
        return (sound * 32_767).astype(np.int16)
    if how == "stereo":
        return np.stack([sound, sound], axis=1)
    if how == "strided":
        return np.repeat(sound, 2)[::2]
    return sound.astype(how)


BAD: tuple[Any, ...] = (
    np.array([0.1, np.nan], np.float32),
    np.array([np.inf], np.float64),
    np.full(100, 20_000.0, np.float32),
    np.zeros(0, np.float32),
    np.zeros((2, 300), np.float32),
    np.zeros((2, 2, 2), np.float32),
    np.array(["sound"]),
    None,
    b"bytes",
    [0.0, 0.1],
)


class Streams(RuleBasedStateMachine):
    """Three streams, alone and in a pool; a twin of each gets the same audio in two pieces."""

    def __init__(self) -> None:
        super().__init__()
        model = toy_model()
        self.pool = model.pool()
        self.streams = [model.stream(rate) for rate in RATES]
        self.twins = [model.stream(rate) for rate in RATES]
        self.told: list[list[object]] = [[] for _ in RATES]
        self.expected: list[list[object]] = [[] for _ in RATES]

    @initialize(adapt=st.booleans(), after=st.sampled_from([None, 0.3]))
    def open(self, adapt: bool, after: float | None) -> None:
        for made in (self.streams, self.twins):
            made[:] = [
                toy_model().stream(rate, adapt=adapt, new_speaker_after=after) for rate in RATES
            ]

    def _twin_hears(self, which: int, sound: Sound, cut: int) -> None:
        for piece in (sound[:cut], sound[cut:]):
            if len(piece):
                self.expected[which] += self.twins[which].process(piece)

    @rule(which=st.integers(0, 2), sound=sounds(), cut=st.integers(0, 8_000))
    def process(self, which: int, sound: Sound, cut: int) -> None:
        self.told[which] += self.streams[which].process(sound)
        self._twin_hears(which, sound, cut)

    @rule(sound=sounds(), other=sounds(), cut=st.integers(0, 8_000))
    def together(self, sound: Sound, other: Sound, cut: int) -> None:
        heard = self.pool.process({self.streams[0]: sound, self.streams[2]: other})
        for which, chunk in ((0, sound), (2, other)):
            self.told[which] += heard[self.streams[which]]
            self._twin_hears(which, chunk, cut)

    @rule(which=st.integers(0, 2))
    def flush(self, which: int) -> None:
        self.told[which].append(self.streams[which].flush())
        self.expected[which].append(self.twins[which].flush())

    @rule(which=st.integers(0, 2), what=st.sampled_from(["reset", "new_speaker"]))
    def forget(self, which: int, what: str) -> None:
        for made in (self.streams, self.twins):
            getattr(made[which], what)()

    @rule(which=st.integers(0, 2), seconds=st.floats(0, 1e6))
    def skip(self, which: int, seconds: float) -> None:
        for made in (self.streams, self.twins):
            made[which].skip(seconds)

    @rule(which=st.integers(0, 2))
    def calibrate(self, which: int) -> None:
        """All of it, or nothing."""
        outcomes = []
        for made in (self.streams, self.twins):
            before = made[which].state()
            try:
                made[which].calibrate(speech(RATES[which], 1))
                outcomes.append("calibrated")
            except edgeser.EdgeserError as error:
                outcomes.append(str(error))
                assert made[which].state() == before
        assert outcomes[0] == outcomes[1]

    @rule(which=st.integers(0, 2))
    def go_on_elsewhere(self, which: int) -> None:
        state = self.streams[which].state()
        self.streams[which] = toy_model().resume(state)
        assert self.streams[which].state() == state

    @rule(which=st.integers(0, 2), at=st.integers(0, 10**6), value=st.integers(0, 255))
    def damaged_state(self, which: int, at: int, value: int) -> None:
        state = bytearray(self.streams[which].state())
        at %= len(state)
        if state[at] == value:
            return
        state[at] = value
        with pytest.raises(edgeser.StateError):
            toy_model().resume(bytes(state))

    @rule(which=st.integers(0, 2), bad=st.sampled_from(BAD), pooled=st.booleans())
    def bad_input(self, which: int, bad: Any, pooled: bool) -> None:
        stream, other = self.streams[which], self.streams[(which + 1) % 3]
        before = stream.state(), other.state()
        fine = {other: speech(16_000, 0)[:999]} if pooled else {}
        with pytest.raises(edgeser.AudioError):
            self.pool.process({**fine, stream: bad})
        with pytest.raises(edgeser.AudioError):
            stream.process(bad)
        with pytest.raises(edgeser.AudioError):
            stream.skip(-1.0)
        assert (stream.state(), other.state()) == before

    @invariant()
    def both_tell_the_same(self) -> None:
        assert self.told == self.expected
        for stream, twin in zip(self.streams, self.twins, strict=True):
            assert stream.state() == twin.state()
            assert stream.position == twin.position
            assert stream.until_frame == twin.until_frame >= 1


class Visits(RuleBasedStateMachine):
    """Utterances beside others with the same audio in other pieces: the same events in order."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[edgeser.EmotionFrame] = []
        self.told: list[edgeser.UtteranceEvent] = []
        self.expected: list[edgeser.UtteranceEvent] = []

    @initialize(rate=st.sampled_from(RATES), reset=st.booleans(), longest=st.sampled_from([1.0, 9]))
    def open(self, rate: int, reset: bool, longest: float) -> None:
        rules = edgeser.Endpointing(
            speech=0.3, onset=0.2, hangover=0.3, longest=longest, reset=reset
        )
        model = toy_model()
        self.one = edgeser.Utterances(model, rate, rules, on_frame=self.frames.append)
        self.two = edgeser.Utterances(model, rate, rules)
        self.pool = model.pool()

    @rule(sound=sounds(), cut=st.integers(0, 8_000), pooled=st.booleans())
    def process(self, sound: Sound, cut: int, pooled: bool) -> None:
        self.told += (
            self.pool.hear({self.one: sound})[self.one] if pooled else self.one.process(sound)
        )
        for piece in (sound[:cut], sound[cut:]):
            if len(piece):
                self.expected += self.two.process(piece)

    @rule()
    def flush(self) -> None:
        self.told += self.one.flush()
        self.expected += self.two.flush()
        assert not self.one.speaking

    @rule(seconds=st.floats(0, 1e4))
    def skip(self, seconds: float) -> None:
        self.one.skip(seconds)
        self.two.skip(seconds)

    @rule()
    def new_speaker(self) -> None:
        self.one.new_speaker()
        self.two.new_speaker()

    @rule(bad=st.sampled_from(BAD), pooled=st.booleans())
    def bad_input(self, bad: Any, pooled: bool) -> None:
        speaking, position = self.one.speaking, self.one.position
        hear = self.pool.hear if pooled else self.one.process
        with pytest.raises(edgeser.AudioError):
            hear({self.one: bad} if pooled else bad)
        assert (self.one.speaking, self.one.position) == (speaking, position)

    @invariant()
    def the_same_is_told_in_order(self) -> None:
        assert self.told == self.expected
        times = [frame.time for frame in self.frames]
        assert times == sorted(times)
        last = 0.0
        for event in self.told:
            if isinstance(event, edgeser.Utterance):
                assert last <= event.start <= event.end
                assert all(event.start <= frame.time for frame in event.timeline)
                last = event.start


TestStreams = Streams.TestCase
TestStreams.settings = SETTINGS
TestVisits = Visits.TestCase
TestVisits.settings = SETTINGS
