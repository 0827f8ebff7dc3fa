"""Promise 7: pauses do not matter. Seconds without speech do not change later results."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

import edgeser
from edgeser.reference.stream import ReferenceStream
from tests import toy
from tests.sounds import noise, push, speech_like, whole

Sound = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> edgeser.Model:
    """A toy whose gate opens for what is loud within a segment's dynamic range, and adapts."""
    tensors = toy.tensors()
    # Silence and noise differ in the tokens; the gate looks for the sound of ``voice`` below.
    plain = edgeser.load(toy.write(tmp_path_factory.mktemp("plain") / "plain.edgeser"))
    voiced, quiet = (_tokens(plain, sound) for sound in (voice(3.0), noise(48_000, level=0.003)))
    direction = voiced.mean(0) - quiet.mean(0)
    direction /= np.linalg.norm(direction) ** 2
    middle = (voiced.mean(0) + quiet.mean(0)) / 2
    for name in ("weight", "bias", "out"):
        tensors[f"gate.{name}"][:] = 0
    tensors["gate.weight"][0, :, 0] = 40 * direction
    tensors["gate.bias"][0] = -40 * float(direction @ middle) + 20
    tensors["gate.out"][0] = 1
    tensors["gate.out_bias"][:] = -20
    path = tmp_path_factory.mktemp("strict") / "strict.edgeser"
    rules = {**toy.manifest()["speaker"], "adapt": True}
    toy.write_bundle(path, toy.manifest(speaker=rules), toy.frontend(), tensors)
    return edgeser.load(path)


def _tokens(model: edgeser.Model, sound: Sound) -> npt.NDArray[np.float32]:
    core = model._engine.core
    assert core.front_end is not None
    count = (len(sound) - toy.SEGMENT) // toy.HOP
    waves = np.stack([sound[n * toy.HOP :][: toy.SEGMENT] for n in range(count)])
    deep, latent, _ = core.front_end(waves, np.full(count, toy.UNSET, np.float32))
    return core.fusion(deep, latent)[0]


def voice(seconds: float, rate: int = 16_000) -> Sound:
    """A buzz without pauses."""
    phase = 2 * np.pi * 150 * np.arange(round(seconds * rate)) / rate
    return (0.05 * sum(np.sin(k * phase) for k in range(1, 12))).astype(np.float32)


def later(frames: list[edgeser.EmotionFrame], seconds: float) -> list[edgeser.EmotionFrame]:
    """Frames shifted by this time, rounded to the microsecond."""
    return [replace(frame, time=round(frame.time + seconds, 6)) for frame in frames]


def passed(frames: list[edgeser.EmotionFrame]) -> int:
    """Skipped quiet hops: they repeat the last score and level."""
    heard = [(frame.label, frame.speech, frame.level) for frame in frames]
    return sum(one == other and one[2] > -200 for one, other in pairwise(heard))


@pytest.mark.parametrize("seconds", [1, 5, 30])
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_digital_silence_in_front_changes_no_bit(
    model: edgeser.Model, rate: int, seconds: int
) -> None:
    sound = speech_like(2.0, rate)
    sound[0] = 0.01
    plain, delayed = model.stream(rate), model.stream(rate)
    want = plain.process(sound)
    silent = push(delayed, np.zeros(seconds * rate, np.float32), 4_001)
    got = delayed.process(sound)
    if rate != 16_000:  # the resampler's look-ahead: some silence comes out with the sound
        got = got[-len(want) :]
    assert later(got, 0) == later(want, seconds)
    assert {frame.label for frame in silent} <= {None}
    assert {frame.speech for frame in silent} == {0.0}
    one, other = plain.flush(), delayed.flush()
    assert later([*other.frames], 0) == later([*one.frames], seconds)
    assert one.speech_seconds == min(other.speech_seconds, one.duration)  # the last hop is filled
    rest = {"frames": (), "duration": 0.0, "speech_seconds": 0.0}
    assert replace(other, **rest) == replace(one, **rest)


def test_frames_go_on_in_digital_silence(model: edgeser.Model) -> None:
    stream = model.stream(16_000)
    frames = stream.process(np.zeros(16_000 * 10, np.float32))
    assert len(frames) == 78
    assert {frame.confidence for frame in frames} == {np.float32(1 / len(model.labels))}
    assert {frame.level for frame in frames} == {-200.0}


def test_digital_silence_between_utterances_is_a_fresh_stream(model: edgeser.Model) -> None:
    sound = speech_like(2.0)
    sound[0] = 0.01
    stream = model.stream(16_000, adapt=False)
    stream.process(speech_like(3.0, seed=5))
    stream.process(np.zeros(16_000 * 3, np.float32))
    want = model.stream(16_000, adapt=False).process(sound)
    assert later(stream.process(sound), 0) == later(want, 6)


def test_quiet_noise_moves_nothing(strict: edgeser.Model) -> None:
    """After a night of quiet, the first word gives the results of a fresh stream."""
    word, hops = voice(1.2), 200
    night = noise(toy.HOP * hops, level=0.003)
    plain, tired = strict.stream(16_000), strict.stream(16_000)
    closed = tired.process(night)
    assert {frame.label for frame in closed} == {None}
    assert max(frame.speech for frame in closed) < strict.speech_threshold
    before = plain.speaker
    assert tired.speaker == before
    # The first two segments hear the end of the night; it is at most a hundredth as loud.
    got, want = tired.process(word), plain.process(word)
    assert [frame.label is None for frame in got[3:]] == [frame.label is None for frame in want[3:]]
    spoken = [pair for pair in zip(got, want, strict=True) if pair[1].speech >= 0.5][3:]
    assert len(spoken) > 3
    for one, other in spoken:
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.05)
        assert one.level == pytest.approx(other.level, abs=0.2)


def test_a_pause_ends_a_sequence(strict: edgeser.Model) -> None:
    """After it, a word gives the bits of a stream that knows only the speaker."""
    pause = np.zeros(round((strict.pause + 0.6) * 16_000), np.float32)
    word = voice(1.5)
    word[0] = 0.01
    stream = strict.stream(16_000, adapt=False)
    first, _, second = (stream.process(part) for part in (word, pause, word))
    since = (len(word) + len(pause)) / 16_000
    assert later(second, 0) == later(first, since)


def test_the_speaker_is_learned_between_sequences(strict: edgeser.Model) -> None:
    stream = strict.stream(16_000)
    assert stream.adapt
    assert stream.speaker == edgeser.Speaker(0.0, 0.0, (0.0,) * 32)
    stream.process(voice(2.0))
    assert stream.speaker.utterances == 0  # nothing moves while a sequence lasts
    stream.process(np.zeros(32_000, np.float32))
    once = stream.speaker
    assert once.utterances == 1
    assert once.weight == pytest.approx(1 / 11 * 0.3)
    assert any(once.shift)
    stream.process(voice(0.1))  # too short to learn from
    stream.process(np.zeros(32_000, np.float32))
    assert stream.speaker == once
    stream.process(voice(2.0))
    stream.flush()
    assert stream.speaker.utterances == 2
    resumed = strict.resume(stream.state())
    assert resumed.speaker == stream.speaker
    sound = voice(1.0)
    assert whole(resumed, sound) == whole(stream, sound)
    stream.new_speaker()
    assert stream.speaker.utterances == 0
    assert whole(stream, sound) == whole(strict.stream(16_000), sound)


def test_what_is_learned_changes_what_is_heard(strict: edgeser.Model) -> None:
    sound = voice(1.0)
    fresh = whole(strict.stream(16_000), sound)
    stream, fixed = strict.stream(16_000), strict.stream(16_000, adapt=False)
    for one in (stream, fixed):
        for seed in range(3):
            one.process(voice(1.5) + noise(24_000, seed, level=0.01))
            one.flush()
    assert whole(stream, sound) != fresh
    assert whole(fixed, sound) == fresh
    assert fixed.speaker.utterances == 0


def test_a_calibration_is_worth_many_utterances(strict: edgeser.Model) -> None:
    stream = strict.stream(16_000)
    stream.process(voice(1.0))
    position = stream.position
    stream.calibrate(voice(3.0))
    assert stream.position == position
    assert stream.speaker.utterances == 10
    assert stream.speaker.weight == pytest.approx(0.5 * (0.3 + 0.7), abs=1e-4)
    with pytest.raises(edgeser.StateError, match="does not adapt"):
        strict.stream(16_000, adapt=False).calibrate(voice(3.0))


def test_a_new_speaker_is_expected_only_where_asked_for(strict: edgeser.Model) -> None:
    patient, forgetful = (strict.stream(16_000, new_speaker_after=after) for after in (None, 20.0))
    for stream in (patient, forgetful):
        stream.process(voice(2.0))
        stream.process(np.zeros(16_000 * 15, np.float32))
        assert stream.speaker.utterances == 1
        stream.process(np.zeros(16_000 * 15, np.float32))
    assert patient.speaker.utterances == 1
    assert forgetful.speaker.utterances == 0
    assert strict.resume(forgetful.state()).state() == forgetful.state()
    with pytest.raises(edgeser.AudioError, match="new_speaker_after is 0 s"):
        strict.stream(16_000, new_speaker_after=0.0)


@pytest.mark.parametrize("every_hop", [False, True])
def test_a_stream_is_what_its_reference_says(strict: edgeser.Model, every_hop: bool) -> None:
    parts = [
        noise(9_000, level=0.003),
        noise(30 * toy.HOP, seed=1, level=0.003),
        voice(1.1),
        np.zeros(32_000, np.float32),
        voice(1.0),
        np.zeros(32_000, np.float32),
        voice(0.9)[5:],
    ]
    sound = np.concatenate(parts)
    stream = strict.stream(16_000, every_hop=every_hop)
    reference = ReferenceStream(strict._engine.bundle, every_hop=every_hop)
    frames = stream.process(sound)
    reference.process(sound)
    want = reference.flush()
    verdict = stream.flush()
    frames += verdict.frames
    assert sum(frame.begins for frame in reference.frames) == 3
    for one, other in zip(frames, reference.frames, strict=True):
        assert one.time == pytest.approx(other.sample / 16_000)
        assert one.speech == pytest.approx(other.speech, abs=1e-3)
        assert one.level == pytest.approx(other.level, abs=1e-2)
        assert list(one.probabilities.values()) == pytest.approx(other.probabilities, abs=1e-3)
    assert list(verdict.probabilities.values()) == pytest.approx(want, abs=1e-3)
    assert (passed(frames) > 10) is not every_hop
    assert stream.speaker.utterances == reference.speaker.utterances == 3
    assert stream.speaker.shift == pytest.approx(reference.speaker.shift, abs=1e-3)


def test_the_same_quiet_is_not_heard_again() -> None:
    """At any gain, with the shipped model; the gate opens at least every two seconds."""
    model = edgeser.load()
    sound = noise(60 * 16_000, level=1e-3)
    for gain in (0.01, 1.0, 100.0):
        stream = model.stream(16_000, every_hop=False)
        frames = stream.process(sound * np.float32(gain))
        assert not any(frame.label for frame in frames)
        assert passed(frames) > 0.75 * len(frames)
        runs = "".join("01"[one.speech == other.speech] for one, other in pairwise(frames))
        assert max(map(len, runs.split("0"))) == 15
    assert passed(model.stream(16_000).process(sound)) == 0


@pytest.mark.parametrize("seconds", [0.5, 3.0, 20.0])
def test_a_word_after_quiet_is_heard_at_once(seconds: float) -> None:
    model = edgeser.load()
    lead = noise(round(seconds * 16_000), seed=1, level=1e-3)
    sound = np.concatenate([lead, speech_like(3.0) + noise(48_000, seed=2, level=1e-3)])
    every, passing = (model.stream(16_000, every_hop=every) for every in (True, False))
    want, got = every.process(sound), passing.process(sound)
    spoken = [f.speech >= model.speech_threshold for f in want]
    assert [f.speech >= model.speech_threshold for f in got] == spoken
    assert sum(spoken) > 10
    # What was heard of the speech is the same to the bit; a verdict's weights may differ a little.
    assert [f.probabilities for f in got] == [f.probabilities for f in want]
    one, other = every.flush(), passing.flush()
    assert other.label == one.label
    assert other.probabilities == pytest.approx(one.probabilities, abs=1e-3)


def test_a_detector_hears_every_hop() -> None:
    """It uses its own memory and needs nothing else."""

    class Counting:
        sample_rate, threshold, hops = 16_000, 0.5, 0

        def score(self, hop: Sound) -> float:
            assert hop.shape == (2048,)
            self.hops += 1
            return self.hops % 2

        def reset(self) -> None:
            self.hops = 0

    detector = Counting()
    stream = edgeser.load().stream(16_000, detector=detector, every_hop=False)
    frames = stream.process(noise(30 * 16_000))
    assert detector.hops == len(frames) == 234
    assert [frame.speech for frame in frames] == [n % 2 for n in range(1, 235)]
