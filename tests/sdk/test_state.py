"""Promise 5: state is a value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeser
from edgeser.streaming.stream import session_of
from tests import toy
from tests.forged import COUNTERS, HEAD, SEAL, resealed, with_counter
from tests.sounds import push, speech_like, whole


@given(cut=st.integers(min_value=1, max_value=44_099), rate=st.sampled_from([16_000, 44_100]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_saved_anywhere_it_continues_with_the_same_bits(
    model: edgeser.Model, cut: int, rate: int
) -> None:
    sound = speech_like(44_100 / rate, rate)
    straight, broken = model.stream(rate), model.stream(rate)
    broken.process(sound[:cut])
    resumed = model.resume(broken.state())
    straight.process(sound[:cut])
    assert resumed.position == cut / rate
    assert whole(resumed, sound[cut:]) == whole(straight, sound[cut:])


def test_saving_changes_nothing_and_the_copy_is_independent(toy_model: edgeser.Model) -> None:
    stream = toy_model.stream(48_000)
    push(stream, speech_like(1.0, 48_000), 4_000)
    saved = stream.state()
    copy = toy_model.resume(saved)
    copy.process(speech_like(1.0, 48_000, seed=1))
    assert stream.state() == saved
    assert toy_model.resume(saved).state() == saved


def test_reset_and_flush_leave_a_fresh_stream(model: edgeser.Model) -> None:
    stream = model.stream(22_050)
    fresh = stream.state()
    stream.process(speech_like(1.3, 22_050))
    assert stream.state() != fresh
    stream.reset()
    assert stream.state() == fresh
    stream.process(speech_like(1.3, 22_050))
    stream.flush()
    stream.new_speaker()
    assert stream.state() != fresh  # how long nobody spoke is still known
    assert whole(stream, speech_like(1.3, 22_050)) == whole(
        model.stream(22_050), speech_like(1.3, 22_050)
    )


_CONTINUE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import numpy as np
import edgeser

bundle, state, sound = sys.argv[1:]
stream = edgeser.load(bundle).resume(Path(state).read_bytes())
frames = stream.process(np.load(sound))
print(json.dumps([[asdict(frame) for frame in frames], asdict(stream.flush())]))
"""


def test_another_process_continues_with_the_same_bits(toy_path: Path, tmp_path: Path) -> None:
    from dataclasses import asdict

    sound = speech_like(2.0, 48_000)
    model = edgeser.load(toy_path)
    stream = model.stream(48_000)
    stream.process(sound[:31_234])
    (tmp_path / "state").write_bytes(stream.state())
    np.save(tmp_path / "sound.npy", sound[31_234:])
    printed = subprocess.run(
        [sys.executable, "-c", _CONTINUE, toy_path, tmp_path / "state", tmp_path / "sound.npy"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    frames = [asdict(frame) for frame in stream.process(sound[31_234:])]
    expected = json.loads(json.dumps([frames, asdict(stream.flush())]))
    assert json.loads(printed) == expected


@pytest.fixture(scope="module")
def saved(toy_model: edgeser.Model) -> bytes:
    stream = toy_model.stream(48_000)
    stream.process(speech_like(1.0, 48_000))
    return stream.state()


def test_alien_bytes_are_refused(toy_model: edgeser.Model, saved: bytes) -> None:
    with pytest.raises(edgeser.StateError, match="not a saved stream"):
        toy_model.resume(b"")
    with pytest.raises(edgeser.StateError, match="not a saved stream"):
        toy_model.resume(b"RIFF" + saved[4:])
    with pytest.raises(edgeser.StateError, match="is bytes, not str"):
        toy_model.resume("state")  # type: ignore[arg-type]


def test_damage_is_noticed(toy_model: edgeser.Model, saved: bytes) -> None:
    with pytest.raises(edgeser.StateError, match="cut short"):
        toy_model.resume(saved[:-1])
    with pytest.raises(edgeser.StateError, match="something was added"):
        toy_model.resume(saved + b"\0")
    for at in (13, 30, 60, len(saved) // 2, len(saved) - 1):
        flipped = bytearray(saved)
        flipped[at] ^= 1
        with pytest.raises(edgeser.StateError, match=r"damaged|should be"):
            toy_model.resume(bytes(flipped))


def test_a_newer_format_asks_for_an_upgrade(toy_model: edgeser.Model, saved: bytes) -> None:
    newer = bytearray(saved)
    newer[8] = 9
    with pytest.raises(edgeser.StateError, match="upgrade"):
        toy_model.resume(resealed(bytes(newer)))
    newer[8] = 1
    with pytest.raises(edgeser.StateError, match="an older edgeser"):
        toy_model.resume(resealed(bytes(newer)))


def test_another_model_is_named(saved: bytes, toy_model: edgeser.Model, tmp_path: Path) -> None:
    other = edgeser.load(toy.write(tmp_path / "other.edgeser", seed=1))
    with pytest.raises(edgeser.StateError, match=toy_model.hash[:12]):
        other.resume(saved)


def test_another_rate_does_not_fit(toy_model: edgeser.Model, saved: bytes) -> None:
    other = bytearray(saved)
    other[12:16] = (8_000).to_bytes(4, "little")
    with pytest.raises(edgeser.StateError, match="8000 Hz"):
        toy_model.resume(resealed(bytes(other)))


@pytest.mark.parametrize("name", COUNTERS)
@pytest.mark.parametrize("value", [-1, 2**62])
def test_counters_that_contradict_each_other_are_refused(
    toy_model: edgeser.Model, saved: bytes, name: str, value: int
) -> None:
    with pytest.raises(edgeser.StateError, match="contradicts itself"):
        toy_model.resume(with_counter(saved, name, value))


@given(data=st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_forged_state_crashes_anything(
    toy_model: edgeser.Model, saved: bytes, data: st.DataObject
) -> None:
    forged = bytearray(saved)
    for at in data.draw(st.lists(st.integers(HEAD, len(saved) - SEAL - 1), min_size=1, max_size=8)):
        forged[at] = data.draw(st.integers(0, 255))
    try:
        stream = toy_model.resume(resealed(bytes(forged)))
        stream.process(speech_like(0.3, 48_000))
        stream.flush()
    except edgeser.EdgeserError:
        return
    stream.reset()
    assert stream.state() == toy_model.stream(48_000).state()


def test_numbers_that_are_not_finite_are_refused(toy_model: edgeser.Model, saved: bytes) -> None:
    refused = 0
    for at in range(HEAD + 152, len(saved) - SEAL - 4, 512):
        forged = bytearray(saved)
        forged[at : at + 4] = b"\xff\xff\xff\xff"
        try:
            toy_model.resume(resealed(bytes(forged)))
        except edgeser.StateError as error:
            assert "contradicts itself" in str(error)
            refused += 1
    assert refused > 0.9 * (len(saved) - HEAD) / 512  # all but what lies between sections


def test_the_size_is_what_it_says_for_ever(model: edgeser.Model) -> None:
    stream = model.stream(model.sample_rate)
    fresh = len(stream.state())
    assert stream.state_bytes == model.state_bytes == session_of(stream).native.state_bytes
    stream.process(speech_like(1.0))
    assert len(stream.state()) == fresh
    assert fresh == model.state_bytes + HEAD + SEAL
