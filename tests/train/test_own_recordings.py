"""Folders of recordings for fine-tuning: accepted layouts, and errors for useless ones."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.train.models import voice
from tests.train.own import by_folders, by_table, recording
from train.data.manifest import CorpusError
from train.finetune.recordings import left_out, listed, read_own, samples_of
from train.finetune.splits import kept_back

KNOWN = ("neutral", "anger", "sadness", "happiness")


def test_folders_may_say_who_speaks(tmp_path: Path) -> None:
    own = read_own(by_folders(tmp_path, ("Calm", "angry"), ("anna", "bert")), KNOWN)
    assert own.labels == ("angry", "calm")
    assert own.speakers == ("anna", "bert")
    assert len(own.recordings) == len(own.audio) == 8


def test_folders_need_not_say_who_speaks(tmp_path: Path) -> None:
    own = read_own(by_folders(tmp_path, ("calm", "angry"), ("",)), KNOWN)
    assert own.speakers == ()


def test_the_parents_labels_come_first_in_its_order(tmp_path: Path) -> None:
    folder = by_table(tmp_path, ("boredom", "sadness", "anger", "awe"), ("anna", "bert"), 1)
    assert read_own(folder, KNOWN).labels == ("anger", "sadness", "awe", "boredom")
    assert read_own(folder, KNOWN, ["Awe", "anger"]).labels == ("anger", "awe")


def test_a_name_in_two_pieces_is_the_same_emotion(tmp_path: Path) -> None:
    recording(tmp_path / "gen\u00e9e" / "1.wav", 1)
    recording(tmp_path / "gene\u0301e" / "2.wav", 2)
    assert {r.emotion for r in listed(tmp_path)} == {"gen\u00e9e"}


def test_a_speaker_spelled_two_ways_is_one(tmp_path: Path) -> None:
    recording(tmp_path / "calm" / "Anna" / "1.wav", 1)
    recording(tmp_path / "angry" / "anna" / "2.wav", 2)
    recording(tmp_path / "angry" / "anna " / "3.wav", 3)
    assert {r.speaker for r in listed(tmp_path)} == {"anna"}


def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no folder .*nowhere: expected your recordings there"):
        read_own(tmp_path / "nowhere", KNOWN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"no recordings in .*empty: expected them in folders"):
        read_own(tmp_path / "empty", KNOWN)
    one = by_folders(tmp_path / "one", ("calm",), ("anna", "bert"))
    with pytest.raises(CorpusError, match=r"one emotion only, calm: .* another too"):
        read_own(one, KNOWN)
    two = by_folders(tmp_path / "two", ("calm", "angry"), ("anna", "bert"))
    with pytest.raises(CorpusError, match="has no recording of joy: it has angry, calm"):
        read_own(two, KNOWN, ["joy", "calm"])
    recording(two / "joy" / "anna" / "1.wav", 1)
    with pytest.raises(CorpusError, match="one recording of joy is too few"):
        read_own(two, KNOWN)


def test_one_speaker_needs_a_word(tmp_path: Path) -> None:
    folder = by_folders(tmp_path, ("calm", "angry"), ("anna",))
    with pytest.raises(CorpusError, match=r"one speaker only, anna: .* say --one-voice"):
        read_own(folder, KNOWN)
    assert read_own(folder, KNOWN, one_voice=True).speakers == ("anna",)
    recording(folder / "calm" / "3.wav", 3)
    with pytest.raises(CorpusError, match=r"of 1 of 5 recordings .* not known who speaks"):
        read_own(folder, KNOWN)


def test_a_label_must_fit_into_a_bundle(tmp_path: Path) -> None:
    folder = by_folders(tmp_path, ("calm", "ä" * 33), ("anna", "bert"))
    with pytest.raises(CorpusError, match="name of 66 bytes: a bundle's labels have at most 64"):
        read_own(folder, KNOWN)


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_an_emotion_must_have_a_name_that_is_text(tmp_path: Path) -> None:
    folder = by_folders(tmp_path, ("calm", "angry"), ("anna", "bert"))
    (folder / "angry").rename(folder / os.fsdecode(b"angry\xff"))
    with pytest.raises(CorpusError, match=r"the emotion 'angry\\udcff' .* cannot be printed"):
        read_own(folder, KNOWN)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(0), r"2\.wav: the file contains no audio; expected a sound file"),
        (np.full(16_000, np.nan, np.float32), r"2\.wav: sample 0 .* is NaN or infinite"),
        (np.zeros(31 * 16_000), "lasts 31 s: expected one utterance .* of at most 30 s; cut it up"),
    ],
)
def test_a_recording_must_be_one_utterance(tmp_path: Path, samples: np.ndarray, said: str) -> None:
    folder = by_folders(tmp_path, ("calm", "angry"), ("anna", "bert"))
    soundfile.write(folder / "calm" / "anna" / "2.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(CorpusError, match=said):
        read_own(folder, KNOWN)


def test_files_are_read_as_the_sdk_reads_them(tmp_path: Path) -> None:
    """Files that libsndfile alone does not name, never finishes, or reads in part."""
    whole, path = voice(3.0)[0].numpy(), tmp_path / "a.flac"
    soundfile.write(path, whole.clip(-1, 1), 16_000, subtype="PCM_16")
    flac = bytearray(path.read_bytes())
    bits = int.from_bytes(flac[18:26], "big")  # of which the last 36 are the length
    flac[18:26] = (bits >> 36 << 36).to_bytes(8, "big")  # as from a pipe: not known
    path.write_bytes(flac)
    assert len(samples_of(path)) == len(whole)
    for name, channels in (("a", 1), ("b", 2)):
        sound = np.stack([whole.clip(-1, 1)] * channels, 1)
        soundfile.write(tmp_path / f"{name}.opus", sound, 16_000, format="OGG", subtype="OPUS")
    joined = tmp_path / "ab.opus"
    joined.write_bytes((tmp_path / "a.opus").read_bytes() + (tmp_path / "b.opus").read_bytes())
    assert len(samples_of(joined)) == pytest.approx(2 * len(whole), rel=0.02)


def test_what_is_left_out_is_known(tmp_path: Path) -> None:
    folder = by_folders(tmp_path, ("calm", "angry"), ("anna", "bert"))
    assert left_out(folder) == []
    for name in ("calm/anna/3.m4a", "angry/4.WMA", "angry/notes.txt", "calm/._3.m4a"):
        (folder / name).write_bytes(b"sound, perhaps")
    assert [path.name for path in left_out(folder)] == ["4.WMA", "3.m4a"]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    folder = by_folders(tmp_path, ("calm", "angry"), ("anna", "bert"))
    (folder / "calm" / "bert" / "9.wav").write_text("no sound")
    with pytest.raises(CorpusError, match=r"cannot read .*9\.wav: .*convert it, or take it away"):
        read_own(folder, KNOWN)


def test_whole_speakers_are_kept_back(tmp_path: Path) -> None:
    own = read_own(by_table(tmp_path, ("calm", "angry"), tuple("abcdefg")), KNOWN)
    folds = kept_back(own.recordings, 3, seed=0)
    voices = [{own.recordings[i].speaker for i in fold} for fold in folds]
    assert sorted(map(len, voices)) == [2, 2, 3]
    assert len(set.union(*voices)) == 7
    assert sorted(i for fold in folds for i in fold) == list(range(28))


def test_with_unknown_speakers_every_part_has_every_emotion(tmp_path: Path) -> None:
    own = read_own(by_folders(tmp_path, ("calm", "angry"), ("",), each=3), KNOWN)
    folds = kept_back(own.recordings, 5, seed=0)
    assert len(folds) == 3
    assert all({own.recordings[i].emotion for i in f} == {"calm", "angry"} for f in folds)
