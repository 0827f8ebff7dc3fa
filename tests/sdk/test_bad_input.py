"""Promise 7: bad input raises an error and leaves the stream unchanged."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeser
from edgeser.audio.chunk import to_mono
from tests.sounds import noise, speech_like, whole


def with_sample(value: float, dtype: type = np.float32) -> np.ndarray:
    sound = np.zeros(1_000, dtype)
    sound[123] = value
    return sound


BAD: dict[str, tuple[Any, str]] = {
    "NaN": (with_sample(np.nan), "sample 123 .* NaN or infinite"),
    "infinity": (with_sample(-np.inf), "sample 123 .* NaN or infinite"),
    "NaN in float64": (with_sample(np.nan, np.float64), "sample 123"),
    "NaN in one channel": (np.stack([noise(1_000), with_sample(np.nan)], 1), "sample 123"),
    "float at int16 scale": (with_sample(-12_000.0), "int16 scale; divide by 32768"),
    "float at uint8 scale": (128 + 100 * noise(1_000).clip(-1, 1), "subtract 128.* divide by 128$"),
    "float at int8 scale": (with_sample(-127.0), "8-bit scale"),
    "float at uint16 scale": (with_sample(60_000.0), "subtract 32768"),
    "float at 24-bit scale": (with_sample(-8e6), "24-bit scale; divide by 8388608"),
    "float at int32 scale": (with_sample(2e9), "int32 scale; divide by 2147483648"),
    "beyond float32": (with_sample(1e300, np.float64), "no scale of whole numbers"),
    "masked": (np.ma.masked_array(noise(100), mask=[False] * 100), r"filled\(0\)"),
    "int32": (np.zeros(100, np.int32), "int32; they must be int16"),
    "uint8": (np.zeros(100, np.uint8), "uint8; they must be int16"),
    "float16": (np.zeros(100, np.float16), "float16"),
    "complex": (np.zeros(100, np.complex64), "complex64"),
    "objects": (np.array([None, 1.0]), "object"),
    "strings": (np.array(["a", "b"]), "they must be int16"),
    "other byte order": (np.zeros(100, np.dtype(np.int16).newbyteorder()), "native byte order"),
    "empty": (np.zeros(0, np.float32), "empty"),
    "no channels": (np.zeros((100, 0), np.float32), "empty"),
    "scalar": (np.float32(0.5), "not float32"),
    "0-d": (np.array(0.5, np.float32), r"shape .*\(\)"),
    "3-d": (np.zeros((10, 2, 2), np.float32), "reshape"),
    "300 channels": (np.zeros((1_000, 300), np.float32), "300 channels"),
    "transposed": (np.zeros((2, 480), np.float32), r"pass chunk\.T"),
    "an hour": (np.zeros(16_000 * 3_600, np.int16), "3600 s long.*analyze"),
    "bytes": (b"\0\0" * 100, "frombuffer"),
    "list": ([0.0, 0.1], "not list"),
    "None": (None, "NoneType"),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_named_and_leaves_no_trace(toy_model: edgeser.Model, name: str) -> None:
    chunk, message = BAD[name]
    sound = speech_like(1.0)
    stream = toy_model.stream(16_000)
    frames = stream.process(sound[:5_000])
    before = stream.state()
    with pytest.raises(edgeser.AudioError, match=message) as caught:
        stream.process(chunk)
    assert isinstance(caught.value, ValueError)  # what callers of numpy expect
    assert stream.state() == before
    frames += whole(stream, sound[5_000:])
    assert frames == whole(toy_model.stream(16_000), sound)


@pytest.mark.parametrize(
    "rate", [0, -16_000, 7_999, 192_001, 16_000.0, "16000", None, True, 1 << 40]
)
def test_bad_rates(toy_model: edgeser.Model, rate: Any) -> None:
    for make in (toy_model.stream, toy_model.pool().stream):
        with pytest.raises(edgeser.AudioError, match="sample rate"):
            make(rate)


def test_a_stream_is_not_pickled_but_its_state_is_kept(toy_model: edgeser.Model) -> None:
    stream = toy_model.stream(16_000)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(edgeser.StateError, match=r"save stream\.state\(\)"):
            attempt(stream)
        with pytest.raises(edgeser.StateError, match="create another one"):
            attempt(edgeser.Utterances(toy_model, 16_000))
        with pytest.raises(edgeser.StateError, match=r"model\.pool\(\)"):
            attempt(toy_model.pool())


def test_a_model_stays_in_its_process_and_is_its_own_copy(toy_model: edgeser.Model) -> None:
    with pytest.raises(edgeser.BackendError, match=r"Call edgeser\.load there"):
        pickle.dumps(toy_model)
    assert copy.copy(toy_model) is copy.deepcopy(toy_model) is toy_model


@pytest.mark.parametrize("source", [5, None, [0.0, 0.1], b"sound"])
def test_what_is_no_recording_is_named(toy_model: edgeser.Model, source: Any) -> None:
    with pytest.raises(edgeser.AudioError, match=f"not {type(source).__name__}: pass the file's"):
        toy_model.analyze(source)


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_345, 16_001, 96_000, 192_000, np.int64(32_000)])
def test_odd_rates_work(toy_model: edgeser.Model, rate: int) -> None:
    stream = toy_model.stream(rate)
    frames = whole(stream, speech_like(1.0, int(rate)))
    assert len(frames) == 8


def test_loud_but_legal(toy_model: edgeser.Model) -> None:
    assert toy_model.stream(16_000).process(noise(4_096, level=1.5).clip(-8, 8))


def test_the_callers_array_is_neither_kept_nor_changed(toy_model: edgeser.Model) -> None:
    sound = speech_like(1.0)
    buffer = np.empty(300, np.float32)
    stream = toy_model.stream(16_000)
    frames = []
    for at in range(0, len(sound), 300):
        piece = sound[at : at + 300]
        buffer[: len(piece)] = piece
        frames += stream.process(buffer[: len(piece)])
        assert (buffer[: len(piece)] == piece).all()
        buffer.fill(np.nan)
    assert frames == toy_model.stream(16_000).process(sound)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_other_arrays_of_numpy_are_arrays(toy_model: edgeser.Model, tmp_path: Path) -> None:
    sound = speech_like(1.0)
    expected = toy_model.stream(16_000).process(sound)
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=sound.shape)
    mapped[:] = sound
    for same in (np.asmatrix(sound).T, mapped):
        assert toy_model.stream(16_000).process(same) == expected


def test_read_only_and_strided_chunks(toy_model: edgeser.Model) -> None:
    sound = speech_like(1.0)
    locked = sound.copy()
    locked.flags.writeable = False
    strided = np.repeat(sound, 2)[::2]
    expected = toy_model.stream(16_000).process(sound)
    assert toy_model.stream(16_000).process(locked) == expected
    assert toy_model.stream(16_000).process(strided) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adapt": "yes"}, "adapt must be True, False or None, not str"),
        ({"every_hop": "no"}, "every_hop must be True or False, not str"),
        ({"new_speaker_after": "60"}, "new_speaker_after must be a number of seconds, or None"),
    ],
)
def test_an_option_of_another_type_is_named(
    toy_model: edgeser.Model, options: dict[str, Any], message: str
) -> None:
    for make in (toy_model.stream, partial(edgeser.Utterances, toy_model)):
        with pytest.raises(edgeser.AudioError, match=message):
            make(16_000, **options)


def test_a_time_to_skip_of_another_type_is_named(toy_model: edgeser.Model) -> None:
    stream = toy_model.stream(16_000)
    with pytest.raises(edgeser.AudioError, match="must be a number of seconds, not str"):
        stream.skip("1")  # type: ignore[arg-type]
    assert stream.position == 0


def test_a_detectors_threshold_of_another_type_is_named(toy_model: edgeser.Model) -> None:
    class Never:
        sample_rate, threshold = 16_000, "0.5"

        def reset(self) -> None: ...

        def score(self, hop: np.ndarray) -> float:
            del hop
            return 0.0

    with pytest.raises(edgeser.AudioError, match="threshold must be a number, not str"):
        toy_model.stream(16_000, detector=Never())  # type: ignore[arg-type]


def test_mono_of_opposite_channels_is_silence() -> None:
    left = noise(1_000)
    assert not to_mono(np.stack([left, -left], axis=1), 16_000).any()
    assert (to_mono(np.stack([left, left], axis=1), 16_000) == left).all()
