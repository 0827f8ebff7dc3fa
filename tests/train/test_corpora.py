"""Readers of corpora, on small trees in the layout that each corpus documents."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from train.__main__ import app
from train.data.corpora import READERS, read
from train.data.manifest import CorpusError, Recording, read_manifest, write_manifest


def put(folder: Path, *names: str) -> None:
    """Empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def facts(recordings: list[Recording]) -> dict[str, tuple[str, str, str]]:
    """Speaker, emotion and text by file name without its ending."""
    return {r.path.stem: (r.speaker, r.emotion, r.text) for r in recordings}


def iemocap(folder: Path) -> dict[str, list[str]]:
    """All five sessions with the corpus's quirks; every labelled turn has its recording."""
    dialogues = {f"Ses0{s}F_impro01": ["M000 neu", "F000 ang"] for s in range(1, 6)}
    dialogues["Ses01F_impro01"] += ["F001 hap", "F002 exc", "M001 xxx", "M002 fru", "M003 sad"]
    dialogues["Ses01F_impro01"] += ["F003 sur", "F004 fea", "F005 dis", "F006 oth"]
    dialogues["Ses05M_script01_1"] = ["F000 sad"]
    dialogues["Ses05M_script01_1b"] = ["F000 neu"]
    dialogues["Ses03M_impro05a"] = ["M000 exc"]
    for dialogue, turns in dialogues.items():
        session = folder / f"Session{dialogue[4]}"
        labels = session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
        lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for turn in turns:
            name, label = turn.split()
            lines += [
                f"[6.2901 - 8.2357]\t{dialogue}_{name}\t{label}\t[2.5000, 2.5000, 2.5000]",
                "C-E2:\tNeutral;\t()",
                "C-F1:\tNeutral;\t(curious, blas\xe9)",
                "A-E3:\tval 3; act 2; dom  2;\t()",
                "",
            ]
            put(session / "sentences" / "wav" / dialogue, f"{dialogue}_{name}.wav")
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("\n".join(lines), encoding="latin-1")
    put(
        folder / "Session1",
        "dialog/EmoEvaluation/._Ses01F_impro01.txt",
        "dialog/EmoEvaluation/Categorical/Ses01F_impro01_e1_cat.txt",
        "sentences/wav/Ses01F_impro01/._Ses01F_impro01_F000.wav",
    )
    return dialogues


def test_iemocap_gives_the_four_emotions_and_who_speaks(tmp_path: Path) -> None:
    iemocap(tmp_path)
    found = facts(read("iemocap", tmp_path))
    assert found["Ses01F_impro01_M000"] == ("iemocap-01M", "neutral", "impro01")
    assert found["Ses01F_impro01_F001"] == ("iemocap-01F", "happiness", "impro01")
    assert found["Ses01F_impro01_F002"] == ("iemocap-01F", "happiness", "impro01")
    assert found["Ses05M_script01_1_F000"] == ("iemocap-05F", "sadness", "script01_1")
    assert found["Ses05M_script01_1b_F000"] == ("iemocap-05F", "neutral", "script01_1")
    assert found["Ses03M_impro05a_M000"] == ("iemocap-03M", "happiness", "impro05")
    assert len(found) == 10 + 3 + 3  # of Ses01F_impro01 six turns have other labels
    assert not {"Ses01F_impro01_M001", "Ses01F_impro01_M002", "Ses01F_impro01_F003"} & set(found)
    assert len({speaker for speaker, _, _ in found.values()}) == 10


def test_iemocap_names_what_is_missing_or_odd(tmp_path: Path) -> None:
    iemocap(tmp_path)
    labels = tmp_path / "Session2" / "dialog" / "EmoEvaluation" / "Ses02F_impro01.txt"
    wav = tmp_path / "Session2" / "sentences" / "wav" / "Ses02F_impro01" / "Ses02F_impro01_F000.wav"
    wav.unlink()
    with pytest.raises(CorpusError, match=r"no recording at .*_F000\.wav: expected it, as Ses02F_"):
        read("iemocap", tmp_path)
    wav.touch()
    good = labels.read_text(encoding="latin-1")
    labels.write_text(good.replace("\tang\t", "\tjoy\t"), encoding="latin-1")
    with pytest.raises(
        CorpusError, match=r"odd label 'joy' in .*impro01\.txt: expected one of neu"
    ):
        read("iemocap", tmp_path)
    labels.write_text(good.replace("Ses02F_impro01_F", "Ses01F_impro01_F"), encoding="latin-1")
    with pytest.raises(CorpusError, match=r"odd turn 'Ses01F_impro01_F000' in .*Ses02F_impro01"):
        read("iemocap", tmp_path)
    labels.write_text("% nothing\n")
    with pytest.raises(CorpusError, match=r"no turns in .*expected lines such as"):
        read("iemocap", tmp_path)
    labels.unlink()
    with pytest.raises(
        CorpusError, match=r"no labels in .*Session2: expected Session1 to Session5"
    ):
        read("iemocap", tmp_path)


def test_iemocap_counts_are_the_papers() -> None:
    from train.data.corpora.iemocap import COUNTS

    total = sum(COUNTS.values())
    assert total == 5531
    shares = {emotion: round(100 * n / total) for emotion, n in COUNTS.items()}
    # The paper prints 29 % neutral and 31 % happiness; its total has these shares.
    assert shares == {"neutral": 31, "anger": 20, "sadness": 20, "happiness": 30}


def test_emovdb_in_all_its_layouts(tmp_path: Path) -> None:
    put(
        tmp_path,
        "bea/Amused/amused_1-15_0001.wav",
        "bea/Sleepy/sleepiness_1-28_0015.wav",
        "bea/Angry/._anger_1-28_0011.wav",
        "jenie_Angry/anger_1-28_0011.wav",
        "sam_Disgusted/disgust_57-84_0060.wav",
        "3/neutral_1-28_0002.wav",
        "Spk-Sa/Neutral/Neutral_1-28_take.wav",
        "cmuarctic.data",
        "bea/Amused/amused_1-15.TextGrid",
    )
    found = read("emovdb", tmp_path)
    assert facts(found) == {
        "amused_1-15_0001": ("emovdb-bea", "amusement", "arctic-a0001"),
        "sleepiness_1-28_0015": ("emovdb-bea", "sleepiness", "arctic-a0015"),
        "anger_1-28_0011": ("emovdb-jenie", "anger", "arctic-a0011"),
        "disgust_57-84_0060": ("emovdb-sam", "disgust", "arctic-a0060"),
        "neutral_1-28_0002": ("emovdb-josh", "neutral", "arctic-a0002"),
        "Neutral_1-28_take": ("emovdb-sam", "neutral", ""),
    }
    # A speaker's own folder is enough.
    assert {r.speaker for r in read("emovdb", tmp_path / "bea")} == {"emovdb-bea"}


@pytest.mark.parametrize("name", ["somebody/Amused/amused_1-15_0001.wav", "bea/x/joy_1-2_0001.wav"])
def test_emovdb_names_what_is_odd(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    with pytest.raises(CorpusError, match=rf"odd file name .*{name}: expected a speaker's folder"):
        read("emovdb", tmp_path)


def test_librispeech_matches_transcripts_to_recordings(tmp_path: Path) -> None:
    chapter = tmp_path / "train-clean-100" / "19" / "198"
    put(chapter, "19-198-0000.flac", "19-198-0001.flac")
    put(tmp_path, "SPEAKERS.TXT", "test-other/8/77/8-77-0000.flac")
    (chapter / "19-198.trans.txt").write_text("19-198-0000 NORTHANGER ABBEY\n19-198-0001 THIS\n")
    (tmp_path / "test-other/8/77/8-77.trans.txt").write_text("8-77-0000 X\n")
    assert facts(read("librispeech", tmp_path)) == {
        "19-198-0000": ("librispeech-19", "", "198-0000"),
        "19-198-0001": ("librispeech-19", "", "198-0001"),
        "8-77-0000": ("librispeech-8", "", "77-0000"),
    }
    assert len(read("librispeech", tmp_path / "train-clean-100")) == 2
    (chapter / "19-198-0001.flac").unlink()
    with pytest.raises(CorpusError, match=r"19-198-0001 lacks a recording: expected"):
        read("librispeech", tmp_path)
    put(chapter, "19-198-0001.flac", "19-198-0002.flac")
    with pytest.raises(CorpusError, match=r"19-198-0002 lacks a line in its transcript"):
        read("librispeech", tmp_path)
    (chapter / "19-198.trans.txt").rename(chapter / "19-199.trans.txt")
    with pytest.raises(CorpusError, match=r"odd file name .*expected 19-198\.trans\.txt there"):
        read("librispeech", tmp_path)


def test_cremad_with_what_listeners_heard(tmp_path: Path) -> None:
    put(tmp_path / "AudioWAV", "1001_DFA_ANG_XX.wav", "1040_ITH_SAD_X.wav", "1002_IEO_HAP_HI.wav")
    put(tmp_path / "AudioMP3", "1001_DFA_ANG_XX.mp3")
    assert facts(read("cremad", tmp_path)) == {
        "1001_DFA_ANG_XX": ("cremad-1001", "anger", "DFA"),
        "1002_IEO_HAP_HI": ("cremad-1002", "happiness", "IEO"),
        "1040_ITH_SAD_X": ("cremad-1040", "sadness", "ITH"),
    }
    table = tmp_path / "processedResults" / "summaryTable.csv"
    table.parent.mkdir()
    table.write_text(
        '"","FileName","VoiceVote","VoiceLevel"\n'
        '"1","1001_DFA_ANG_XX","N","60"\n"2","1040_ITH_SAD_X","N:S","60:55"\n'
    )
    heard = {r.path.stem: r.perceived for r in read("cremad", tmp_path)}
    assert heard == {"1001_DFA_ANG_XX": "neutral", "1040_ITH_SAD_X": "", "1002_IEO_HAP_HI": ""}
    table.write_text("FileName,Vote\nx,A\n")
    with pytest.raises(CorpusError, match=r"summaryTable\.csv is odd: expected the columns"):
        read("cremad", tmp_path)


def test_emodb_and_ravdess(tmp_path: Path) -> None:
    put(tmp_path / "emodb", "wav/03a01Fa.wav", "wav/16b10Wb.wav", "wav/08a02N.wav", "lablaut/x.wav")
    assert facts(read("emodb", tmp_path / "emodb")) == {
        "03a01Fa": ("emodb-03", "happiness", "a01"),
        "16b10Wb": ("emodb-16", "anger", "b10"),
        "08a02N": ("emodb-08", "neutral", "a02"),
    }
    folder = tmp_path / "ravdess"
    put(folder, "Actor_01/03-01-06-01-02-01-01.wav", "Actor_24/03-01-08-02-01-02-24.wav")
    put(folder, "Actor_24/03-02-03-01-01-01-24.wav", "again/Actor_01/03-01-06-01-02-01-01.wav")
    assert facts(read("ravdess", folder)) == {
        "03-01-06-01-02-01-01": ("ravdess-01", "fear", "02"),
        "03-01-08-02-01-02-24": ("ravdess-24", "surprise", "01"),
    }
    put(folder, "Actor_02/03-01-06-01-02-01-01.wav")
    with pytest.raises(CorpusError, match=r"odd file name .*Actor_02.*: expected modality"):
        read("ravdess", folder)


@pytest.mark.parametrize(
    ("corpus", "name"),
    [("emodb", "03a01Xa.wav"), ("cremad", "1001_DFA_JOY_XX.wav"), ("ravdess", "03-01-09.wav")],
)
def test_odd_names_and_empty_folders_are_named(tmp_path: Path, corpus: str, name: str) -> None:
    with pytest.raises(CorpusError, match=r"no recordings in .*: expected .* as in"):
        read(corpus, tmp_path)
    put(tmp_path, name)
    with pytest.raises(CorpusError, match=rf"odd file name .*{re.escape(name)}: expected .* as in"):
        read(corpus, tmp_path)


def test_a_folder_with_a_table(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"has no one table \(it has none\)"):
        read("table", tmp_path)
    put(tmp_path, "a.wav", "b.wav")
    table = tmp_path / "calls.csv"
    table.write_text("path,corpus,speaker,emotion\na.wav,calls,7,anger\nb.wav,calls,calls-7,\n")
    assert facts(read("table", tmp_path)) == {
        "a": ("calls-7", "anger", ""),
        "b": ("calls-7", "", ""),
    }
    (tmp_path / "other.csv").write_text("x\n")
    with pytest.raises(CorpusError, match=r"it has calls\.csv, other\.csv"):
        read("table", tmp_path)
    table.rename(tmp_path / "manifest.csv")
    assert len(read("table", tmp_path)) == 2
    (tmp_path / "b.wav").unlink()
    with pytest.raises(CorpusError, match=r"no recording at .*b\.wav: expected it, as manifest"):
        read("table", tmp_path)


def test_unknown_corpora_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no reader for the corpus 'savee'; there are cremad, "):
        read("savee", tmp_path)
    for name in READERS:
        with pytest.raises(CorpusError, match=rf"no folder .*gone: expected the {name} corpus"):
            read(name, tmp_path / "gone")


def test_manifest_command_joins_corpora(tmp_path: Path) -> None:
    sound = np.zeros(8_000, np.float32)
    for name in ("emodb/wav/03a01Fa.wav", "emodb/wav/08a02Na.wav", "cremad/1001_DFA_ANG_XX.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, sound, 16_000)
    corpora = ["--corpus", "emodb", "--from", str(tmp_path / "emodb")]
    corpora += ["--corpus", "cremad", "--from", str(tmp_path / "cremad")]
    out = tmp_path / "manifest.csv"
    done = CliRunner().invoke(app, ["manifest", *corpora, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "emodb: 2 recordings of 2 speakers (happiness 1, neutral 1)" in done.output
    assert (
        out.read_text().splitlines()[1]
        == "emodb/wav/03a01Fa.wav,emodb,emodb-03,happiness,de,a01,0.50,"
    )
    expected = read("emodb", tmp_path / "emodb") + read("cremad", tmp_path / "cremad")
    assert read_manifest(out) == expected
    # From elsewhere the paths are absolute.
    write_manifest(tmp_path / "elsewhere" / "m.csv", expected)
    assert {r.path for r in read_manifest(tmp_path / "elsewhere" / "m.csv")} == {
        r.path.resolve() for r in expected
    }
    unpaired = CliRunner().invoke(app, ["manifest", *corpora[:-2], "--out", str(out)])
    assert unpaired.exit_code == 2


def test_manifest_names_unreadable_and_repeated_recordings(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF and nothing else")
    recording = Recording(tmp_path / "a.wav", "x", "x-1", "anger", "", "")
    with pytest.raises(CorpusError, match=r"cannot read .*a\.wav"):
        write_manifest(tmp_path / "m.csv", [recording])
    soundfile.write(tmp_path / "a.wav", np.zeros(10), 16_000)
    with pytest.raises(CorpusError, match=r"a\.wav is listed twice"):
        write_manifest(tmp_path / "m.csv", [recording, recording])
    assert not (tmp_path / "m.csv").exists()
