"""Truncated and odd audio files: readable audio is analysed, other files are named in an error."""

from __future__ import annotations

import io
import logging
import os
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edgeser
from edgeser.audio.containers import spans
from edgeser.audio.recording import open_recording
from edgeser.audio.span import Bytes
from edgeser.files import read_plain
from tests.sounds import speech_like
from tests.swapped import read_again_and_again

KINDS = ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "rf64"]
SECONDS = 6.0


def sound(path: Path, seconds: float = SECONDS, rate: int = 16_000, **options: str) -> bytes:
    """Write a file of a kind; its bytes."""
    kind = {"wav": "WAV", "opus": "OGG"}.get(path.suffix[1:], path.suffix[1:].upper())
    soundfile.write(path, speech_like(seconds, rate), rate, format=kind, **options)
    return path.read_bytes()


def seconds(path: Path) -> float:
    """Number of bytes read from a file through edgeser's reader."""
    with open_recording(path, None) as recording:
        return sum(map(len, recording.blocks)) / recording.sample_rate


def wave(length: int, whole: int, samples: int = 48_000) -> bytes:
    """A WAV file of 16-bit mono at 16 kHz with these lengths in its header."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    data = (np.resize(speech_like(3.0), samples) * 32_767).astype("<i2").tobytes()
    head = b"RIFF" + struct.pack("<I", whole) + b"WAVEfmt " + form
    return head + b"data" + struct.pack("<I", length) + data


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short(
    toy_model: edgeser.Model, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"cut.{kind}"
    whole = sound(path)
    path.write_bytes(whole[: len(whole) // 2])
    if kind == "flac":  # whose decoder says how much was right only for whole frames
        with pytest.raises(edgeser.AudioError, match="damaged or cut short"):
            toy_model.analyze(path)
        return
    analysis = toy_model.analyze(path)
    assert 0.25 * SECONDS < analysis.duration < 0.55 * SECONDS
    exact = soundfile.read(path)[0] if kind in {"wav", "mp3", "ogg"} else None
    if exact is not None:
        assert analysis.duration == pytest.approx(len(exact) / 16_000, abs=0.01)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cut" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("left", [0, 1, 44, 200, 1_500])
def test_hardly_anything_left_is_no_silence(
    toy_model: edgeser.Model, tmp_path: Path, kind: str, left: int
) -> None:
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(sound(path)[:left])
    with pytest.raises(edgeser.AudioError, match=path.name):
        toy_model.analyze(path)


@pytest.mark.parametrize("kind", ["VOC", "MAT4", "PVF", "SVX", "MPC2K", "WAV"])
def test_next_to_nothing_is_no_recording(
    toy_model: edgeser.Model, tmp_path: Path, kind: str
) -> None:
    """Also where the file does not tell that there was more."""
    path = tmp_path / f"cut.{kind.lower()}"
    soundfile.write(path, speech_like(SECONDS), 16_000, format=kind, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(edgeser.AudioError, match="cut short"):
        toy_model.analyze(path)
    soundfile.write(path, speech_like(0.03), 16_000, format=kind, subtype="PCM_16")
    with pytest.raises(
        edgeser.AudioError, match=r"contains only 0\.03\d s of audio: it was cut short"
    ):
        toy_model.analyze(path)


def test_what_libsndfile_says_of_itself_is_not_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(sound(path)[:200])
    with pytest.raises(edgeser.AudioError, match="it has almost no data"):
        seconds(path)
    path = tmp_path / "a.wav"
    whole = bytearray(sound(path))
    whole[24:28] = bytes(4)  # a rate of 0
    path.write_bytes(whole)
    with pytest.raises(edgeser.AudioError, match="its header is invalid"):
        seconds(path)


def test_an_mp3_cut_short_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    whole = sound(path, 14, 44_100)
    path.write_bytes(whole[: len(whole) * 45 // 100])
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    with open_recording(path, None) as recording:
        read = np.concatenate(list(recording.blocks))
    assert np.array_equal(read, expected)


@pytest.mark.parametrize("kind", [*KINDS, "opus"])
def test_joined_files_are_read_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"joined.{kind}"
    if kind == "opus":
        path.write_bytes(sound(path, rate=48_000, subtype="OPUS") * 3)
    else:
        path.write_bytes(sound(path) * 3)
    assert seconds(path) == pytest.approx(3 * SECONDS, abs=0.2)


FRAME = b"\xff\xfb\x90\x64" + bytes(32) + b"Info" + bytes(4)
"""A frame of MPEG audio that begins a recording."""
SLOW = {
    "recordings without sound": wave(0, 4, 0) * 9_000,
    "chunks without contents": wave(0, 4, 0) + b"junk\0\0\0\0" * 400_000,
    "frames that begin": (FRAME + bytes(1_000)) * 9_000,
    "frames that begin, and look like it": (FRAME + b"Info" * 200 + b"Xing" * 50) * 9_000,
    "pages of nothing": (b"OggS\0\2" + bytes(21)) * 100_000,
    "tags of nothing": b"ID3\4\0\0\0\0\0\0" * 400_000,
    "flac that begins": b"fLaC\0\0\0\x22" * 500_000,
}


class Counted(io.BytesIO):
    """Counts what is read."""

    reads = bytes_ = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.reads += 1
        self.bytes_ += len(found)
        return found


@pytest.mark.parametrize("name", SLOW)
def test_where_recordings_begin_is_found_in_good_time(name: str) -> None:
    """In time that is proportional to the file, or not at all."""
    file = Counted(SLOW[name])
    with suppress(edgeser.AudioError):
        assert len(spans(Bytes(file))) <= 10_000
    assert file.reads <= 200_000 + len(SLOW[name]) // 256
    assert file.bytes_ <= 8 * len(SLOW[name]) + 300 * file.reads


def test_what_was_found_is_found_again() -> None:
    data = Bytes(io.BytesIO(bytes(100) + b"ab" + bytes(100) + b"ab" + bytes(100)))
    for _ in range(2):
        places = [data.find(b"ab", place) for place in (0, 50, 100, 101, 202, 203, 0)]
        assert places == [100, 100, 100, 202, 202, -1, 100]
        assert data.find(b"abc", 7) == -1


def test_joined_files_may_differ_in_channels_but_not_in_rate(tmp_path: Path) -> None:
    path = tmp_path / "x.opus"
    mono = speech_like(SECONDS, 48_000)
    soundfile.write(path, np.stack([mono, mono], 1), 48_000, format="OGG", subtype="OPUS")
    stereo = path.read_bytes()
    alone = sound(path, rate=48_000, subtype="OPUS")
    for both in (alone + stereo, stereo + alone):
        path.write_bytes(both)
        assert seconds(path) == pytest.approx(2 * SECONDS, abs=0.1)
    other = sound(tmp_path / "x.wav", rate=8_000)
    (tmp_path / "x.wav").write_bytes(sound(tmp_path / "y.wav") + other)
    with pytest.raises(edgeser.AudioError, match="16000 and 8000 Hz are joined"):
        seconds(tmp_path / "x.wav")


@pytest.mark.parametrize("whole", [0, 8, 36, 0xFFFF_FFFF, 96_036])
@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFDB])
def test_a_wav_from_a_writer_that_did_not_know_its_length(
    tmp_path: Path, whole: int, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(wave(length, whole))
    assert seconds(path) == 3.0
    assert not caplog.records


@pytest.mark.parametrize(
    ("kind", "lengths"),
    [
        ("au", {8: 4}),
        ("caf", {4084: 8}),
        ("aiff", {4: 4, 22: 4, 42: 4}),
        ("w64", {16: 8, 96: 8}),
        ("flac", {22: 4}),
    ],
)
@pytest.mark.parametrize("filler", [b"\0", b"\xff"])
def test_other_kinds_of_unknown_length(
    tmp_path: Path, kind: str, lengths: dict[int, int], filler: bytes
) -> None:
    path = tmp_path / f"x.{kind}"
    content = bytearray(sound(path))
    if (kind, filler) in {("flac", b"\xff"), ("caf", b"\0")}:
        return  # these say something else
    if kind == "aiff":
        assert content[38:42] == b"SSND"
    if kind == "w64":
        assert content[80:84] == b"data"
    for at, count in lengths.items():
        content[at : at + count] = filler * count
    path.write_bytes(content)
    assert seconds(path) == pytest.approx(SECONDS, abs=0.01)


def test_no_sound_at_all_is_named(toy_model: edgeser.Model, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    for content in (
        wave(0, 36, 0),
        wave(0, 48, 0) + b"LIST\x04\0\0\0INFO",
        wave(0xFFFF_FFFF, 36, 0),
    ):
        path.write_bytes(content)
        with pytest.raises(edgeser.AudioError, match="no audio"):
            toy_model.analyze(path)


@pytest.mark.parametrize(
    "subtype",
    [
        "PCM_U8",
        "PCM_24",
        "PCM_32",
        "FLOAT",
        "DOUBLE",
        "ULAW",
        "ALAW",
        "GSM610",
        "G721_32",
        "NMS_ADPCM_16",
        "NMS_ADPCM_24",
        "NMS_ADPCM_32",
        "IMA_ADPCM",
        "MS_ADPCM",
    ],
)
def test_every_way_to_write_samples(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "x.wav"
    sound(path, rate=8_000, subtype=subtype)
    assert seconds(path) == pytest.approx(SECONDS, abs=0.1)
    with open_recording(path, None) as recording:
        read = np.concatenate(list(recording.blocks))[: int(SECONDS * 8_000), 0]
    expected = speech_like(SECONDS, 8_000)
    assert np.corrcoef(read, expected)[0, 1] > 0.8  # NMS at 2 bits a sample is that bad


@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_in_front_is_skipped(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    path.write_bytes(tag + tag + sound(path))
    assert seconds(path) == pytest.approx(SECONDS, abs=0.2)


def test_six_channels_at_96_khz(toy_model: edgeser.Model, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    six = np.stack([speech_like(SECONDS, 96_000)] * 6, axis=1)
    soundfile.write(path, six, 96_000, subtype="PCM_24")
    assert toy_model.analyze(path).duration == SECONDS
    soundfile.write(path, np.zeros((1_000, 40)), 16_000)
    with pytest.raises(edgeser.AudioError, match="40 channels, more than 32"):
        toy_model.analyze(path)


def test_what_a_path_can_be_besides_a_file(toy_model: edgeser.Model, tmp_path: Path) -> None:
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nothing.wav")
    (tmp_path / "folder.wav").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # the names of sockets are short
        try:
            server.bind("socket.wav")
        finally:
            os.chdir(here)
    for path, said in (
        (tmp_path / "loop.wav", "cannot be opened"),
        (tmp_path / "broken.wav", "is a broken link"),
        (tmp_path / "folder.wav", "is a folder"),
        (tmp_path / "socket.wav", "is a device or a socket"),
        (Path("/dev/null"), "is a device or a socket"),
        (tmp_path / ("x" * 300), "cannot be opened"),
        (tmp_path / "none.wav" / "x.wav", "no such file"),
    ):
        with pytest.raises(edgeser.AudioError, match=said):
            toy_model.analyze(path)
    with pytest.raises(edgeser.AudioError, match="cannot be opened"):
        toy_model.analyze("a\0b.wav")


def test_names_do_not_matter(tmp_path: Path) -> None:
    content = sound(tmp_path / "x.wav")
    for name in (b"x.raw", b"no ending", b"\xff\xfe.wav", b"a\nb\x1b[2J.wav", b"x.mp3"):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(content)
        assert seconds(path) == SECONDS


def test_a_pipe_is_read_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    content = sound(tmp_path / "x.flac")
    for brought, said in (
        (content, ""),
        (b"", "contains no data"),
        (b"no sound" * 9, "is not audio"),
    ):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(brought,))
        writer.start()
        if said:
            with pytest.raises(edgeser.AudioError, match=said):
                seconds(path)
        else:
            assert seconds(path) == SECONDS
        writer.join()


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"what is in it")

    def read() -> bool:
        try:
            return read_plain(path, 100)[0] == b"what is in it"
        except ValueError as error:
            assert "not a regular file" in str(error)  # noqa: PT017
            return False

    read_again_and_again(path, read)


def test_damage_in_the_middle_is_named_or_passed_over(tmp_path: Path) -> None:
    for kind in KINDS:
        path = tmp_path / f"x.{kind}"
        content = bytearray(sound(path))
        middle = len(content) // 2
        content[middle : middle + 3_000] = bytes(3_000)
        path.write_bytes(content)
        try:
            assert 0.5 * SECONDS < seconds(path) < 1.1 * SECONDS
        except edgeser.AudioError as error:
            assert path.name in str(error)  # noqa: PT017
