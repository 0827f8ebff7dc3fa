"""Whole recordings: file formats, arrays, and invalid input."""

from __future__ import annotations

import copy
import json
import pickle
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edgeser
from edgeser.audio import recording
from edgeser.cli.demo import SAMPLE
from edgeser.streaming.analysis import utterances_of
from tests.sounds import noise, speech_like, whole


def test_a_file_is_what_a_stream_of_its_samples_is(model: edgeser.Model, tmp_path: Path) -> None:
    sound = np.stack([speech_like(9.3, 22_050, seed) for seed in (0, 1)], axis=1)
    soundfile.write(tmp_path / "two.wav", sound, 22_050, subtype="PCM_16")
    stored, _ = soundfile.read(tmp_path / "two.wav", dtype="float32")
    analysis = model.analyze(tmp_path / "two.wav")
    assert analysis.frames == tuple(whole(model.stream(22_050), stored))
    assert analysis.source == str(tmp_path / "two.wav")
    assert analysis.sample_rate == 22_050
    assert analysis.duration == analysis.verdict.duration == pytest.approx(9.3)
    array = model.analyze(stored, 22_050)
    assert (array.source, array.frames, array.verdict) == (None, analysis.frames, analysis.verdict)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_kinds_of_file(toy_model: edgeser.Model, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"sound.{ending}"
    soundfile.write(path, speech_like(3.0, 44_100), 44_100)
    analysis = toy_model.analyze(str(path))
    assert analysis.duration == pytest.approx(3.0, abs=0.1)
    assert len(analysis.frames) >= 23


def test_the_bundled_sample(model: edgeser.Model) -> None:
    assert SAMPLE.stat().st_size <= 300_000
    analysis = model.analyze(SAMPLE)
    assert 10 < analysis.duration < 20
    assert [frame.time for frame in analysis.frames] == pytest.approx(
        [0.128 * (n + 1) for n in range(len(analysis.frames))]
    )


def test_progress_is_told(toy_model: edgeser.Model, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, speech_like(10.0), 16_000)
    told: list[tuple[float, float]] = []
    toy_model.analyze(path, progress=lambda done, total: told.append((done, total)))
    assert told == [(4.0, 10.0), (8.0, 10.0), (10.0, 10.0)]


def test_memory_does_not_depend_on_length(toy_model: edgeser.Model, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    minutes = 5
    with soundfile.SoundFile(path, "w", 48_000, 2, subtype="PCM_16") as file:
        for _ in range(minutes * 6):
            file.write(np.zeros((480_000, 2), np.float32))
    toy_model.analyze(noise(1_000), 8_000)
    tracemalloc.start()
    try:
        analysis = toy_model.analyze(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert analysis.duration == minutes * 60
    frames = len(analysis.frames) * 1_000  # the result itself, generously
    assert peak < frames + (8 << 20) < path.stat().st_size


def test_utterances_of_a_recording_keep_no_frames(model: edgeser.Model) -> None:
    """Frames would make the memory of a day of speech grow to hundreds of megabytes."""
    sound, rate = soundfile.read(SAMPLE, dtype="float32")
    stream = edgeser.Utterances(model, rate)
    events = [*stream.process(sound), *stream.flush()]
    said = [event for event in events if isinstance(event, edgeser.Utterance)]
    assert said
    assert utterances_of(model, SAMPLE) == [replace(each, timeline=()) for each in said]


def test_frames_read_like_a_tuple_in_little_memory(toy_model: edgeser.Model) -> None:
    sound = speech_like(4.0)
    frames = toy_model.analyze(sound, 16_000).frames
    plain = tuple(whole(toy_model.stream(16_000), sound))
    assert frames == plain
    assert plain == frames
    assert frames != plain[1:]
    assert frames != (*plain[:-1], plain[0])
    assert frames[-1] == plain[-1]
    assert frames[2:9:3] == plain[2:9:3]
    assert list(reversed(frames)) == list(reversed(plain))
    assert copy.deepcopy(frames) == pickle.loads(pickle.dumps(frames)) == plain
    with pytest.raises(IndexError):
        frames[len(plain)]
    silence = np.zeros(16_000 * 290, np.int16)
    tracemalloc.start()
    try:
        kept = toy_model.analyze(silence, 16_000)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 120 * len(kept.frames)


def test_an_analysis_is_ready_for_json(toy_model: edgeser.Model) -> None:
    analysis = toy_model.analyze(speech_like(1.0), 16_000)
    told = json.loads(json.dumps(analysis.to_dict()))
    assert told["verdict"]["label"] == analysis.verdict.label
    assert [frame["speech"] for frame in told["frames"]] == [f.speech for f in analysis.frames]


def test_an_array_longer_than_a_chunk_may_be(toy_model: edgeser.Model) -> None:
    with pytest.raises(edgeser.AudioError):
        toy_model.stream(8_000).process(np.zeros(8_000 * 301, np.int16))
    assert toy_model.analyze(np.zeros(8_000 * 301, np.int16), 8_000).duration == 301


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("text.wav", b"this is no audio", "cannot be read as audio"),
        ("empty.wav", b"", "cannot be read as audio"),
        ("cut.ogg", SAMPLE.read_bytes()[:100], "cannot be read as audio"),
    ],
)
def test_files_that_are_no_audio(
    toy_model: edgeser.Model, tmp_path: Path, name: str, contents: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    with pytest.raises(edgeser.AudioError, match=message) as caught:
        toy_model.analyze(path)
    assert name in str(caught.value)


def test_files_that_cannot_be_used(toy_model: edgeser.Model, tmp_path: Path) -> None:
    with pytest.raises(edgeser.AudioError, match="no such file"):
        toy_model.analyze(tmp_path / "missing.wav")
    with pytest.raises(edgeser.AudioError, match="is a folder"):
        toy_model.analyze(tmp_path)
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16_000)
    with pytest.raises(edgeser.AudioError, match=r"none\.wav.*no audio"):
        toy_model.analyze(tmp_path / "none.wav")
    soundfile.write(tmp_path / "slow.wav", noise(1_000), 4_000)
    with pytest.raises(edgeser.AudioError, match=r"slow\.wav.*4000 Hz"):
        toy_model.analyze(tmp_path / "slow.wav")
    broken = noise(1_000)
    broken[5] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, 16_000, subtype="FLOAT")
    with pytest.raises(edgeser.AudioError, match=r"nan\.wav: sample 5 of the chunk is NaN"):
        toy_model.analyze(tmp_path / "nan.wav")
    late = tmp_path / "late.wav"
    soundfile.write(late, np.append(noise(16_000 * 8), broken), 16_000, subtype="FLOAT")
    for judge in (toy_model.analyze, partial(utterances_of, toy_model)):
        with pytest.raises(edgeser.AudioError, match=r"late\.wav: in the chunk at 8 s: sample 5"):
            judge(late)


def test_a_rate_belongs_to_arrays(toy_model: edgeser.Model) -> None:
    with pytest.raises(edgeser.AudioError, match="pass sample_rate="):
        toy_model.analyze(noise(1_000))
    with pytest.raises(edgeser.AudioError, match="omit sample_rate"):
        toy_model.analyze(SAMPLE, 22_050)
    with pytest.raises(edgeser.AudioError, match="not list"):
        toy_model.analyze([0.0, 0.1], 16_000)  # type: ignore[arg-type]
    with pytest.raises(edgeser.AudioError, match="empty"):
        toy_model.analyze(noise(0), 16_000)


def test_blocks_do_not_matter(toy_model: edgeser.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    one = toy_model.analyze(SAMPLE)
    monkeypatch.setattr(recording, "BLOCK_SECONDS", 1)
    assert toy_model.analyze(SAMPLE) == one
