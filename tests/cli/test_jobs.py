"""``edgeser analyze`` in several processes, in shards, and from pipes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

import edgeser
from edgeser.cli.analyze import _is_in, _share
from edgeser.cli.recordings import recordings
from edgeser.cli.workers import Progress, Work, judged
from edgeser.errors import AudioError
from tests.cli.conftest import run
from tests.sounds import speech_like


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six recordings, and one invalid file in the middle."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(6):
        soundfile.write(folder / f"{number}.wav", speech_like(1.0, seed=number), 16_000)
    (folder / "2 bad.wav").write_bytes(b"no audio")
    return folder


def names(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return [Path(row["file"]).name for row in csv.DictReader(file)]


def test_jobs_make_the_same_table(toy_path: Path, folder: Path, tmp_path: Path) -> None:
    tables = []
    for jobs in (1, 3):
        out = tmp_path / f"{jobs}.csv"
        done = run("analyze", "-m", toy_path, folder, "--jobs", jobs, "-o", out, "--json")
        assert done.returncode == 1
        told = json.loads(done.stdout)
        assert [told["analysed"], told["skipped"], len(told["failed"])] == [6, 0, 1]
        assert done.stderr.count("\n") == 1
        tables.append(out.read_text())
    assert tables[0] == tables[1]


def test_jobs_print_in_order(toy_path: Path, folder: Path) -> None:
    one, three = (
        run("analyze", "-m", toy_path, folder, "--jobs", jobs, "--json").stdout for jobs in (1, 3)
    )
    assert json.loads(one) == json.loads(three)
    assert len(json.loads(one)["files"]) == 7


def dies_on(model: edgeser.Model, file: Path, progress: Progress) -> str:
    del model, progress
    if file.name == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    if file.name == "bad":
        raise AudioError(f"{file}: bad")
    if file.name == "broken":
        raise edgeser.KernelError("broken")
    return file.name


def test_a_file_on_which_a_process_dies_is_named(toy_path: Path) -> None:
    work = Work(toy_path, "cpu", "float32", dies_on)
    files = [Path(name) for name in ("a", "dies", "b", "bad", "c")]
    found = dict(judged(files, work, 2))
    assert {place: str(result) for place, result in found.items() if place in (0, 2, 4)} == {
        0: "a",
        2: "b",
        4: "c",
    }
    assert isinstance(found[1], AudioError)
    assert "dies: the process that judged it was ended by SIGSEGV" in str(found[1])
    assert isinstance(found[3], AudioError)


def test_what_is_no_files_fault_ends_the_work(toy_path: Path, tmp_path: Path) -> None:
    with pytest.raises(edgeser.KernelError, match="broken"):
        list(judged([Path("a"), Path("broken")], Work(toy_path, "cpu", "float32", dies_on), 1))
    with pytest.raises(edgeser.BundleError):
        list(judged([Path("a")], Work(tmp_path / "none", "cpu", "float32", dies_on), 1))


def alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_the_processes(toy_path: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "recordings", tmp_path / "r.csv"
    folder.mkdir()
    soundfile.write(folder / "000.wav", np.tile(speech_like(1.0), 60), 16_000)
    for number in range(1, 500):
        os.link(folder / "000.wav", folder / f"{number:03}.wav")
    command = ["analyze", "-m", str(toy_path), str(folder), "--jobs", "2", "-o", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "edgeser", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "r.csv.unfinished").exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1.0)  # the processes start, or judge
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of them
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again to resume" in errors
    assert errors.count("\n") == 1
    while alive(process.pid) and time.monotonic() < end + 60:
        time.sleep(0.05)
    assert not alive(process.pid)


def test_shares_hold_every_file_once() -> None:
    files = [Path(f"folder/{number}.wav") for number in range(1_000)]
    shares = [{file for file in files if _is_in((which, 4), file)} for which in (1, 2, 3, 4)]
    assert set.union(*shares) == set(files)
    assert sum(map(len, shares)) == len(files)
    assert min(map(len, shares)) > 200


def test_shares_merged_are_the_whole(toy_path: Path, folder: Path, tmp_path: Path) -> None:
    (folder / "2 bad.wav").unlink()
    for which in ("1/2", "2/2", "1/2"):  # the first once more, as after a stop
        out = tmp_path / f"{which[0]}.csv"
        done = run("analyze", "-m", toy_path, folder, "--shard", which, "-o", out)
        assert done.returncode == 0, done.stderr
    done = run("merge", tmp_path / "1.csv", tmp_path / "2.csv", "-o", tmp_path / "all.csv")
    assert done.returncode == 0, done.stderr
    assert sorted(names(tmp_path / "all.csv")) == [f"{number}.wav" for number in range(6)]


@pytest.mark.parametrize("wrong", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", ""])
def test_shares_that_are_none(wrong: str) -> None:
    with pytest.raises(typer.BadParameter, match="say 1/4"):
        _share(wrong)


def test_standard_input_is_a_recording(toy_path: Path, folder: Path) -> None:
    def piped(*arguments: str) -> tuple[subprocess.CompletedProcess[bytes], str]:
        command = [sys.executable, "-m", "edgeser", "analyze", "-m", str(toy_path), *arguments]
        sound = (folder / "0.wav").read_bytes()
        done = subprocess.run(command, input=sound, capture_output=True, timeout=120, check=False)
        return done, done.stderr.decode()

    done, _ = piped("-", "--json")
    (told,) = json.loads(done.stdout)["files"]
    assert (told["source"], told["duration"]) == ("-", 1.0)
    out = str(folder / "r.csv")
    done, errors = piped("-", "-o", out)
    assert done.returncode == 0, errors
    done, errors = piped("/dev/stdin", "-o", out, "--jobs", "2")
    assert done.returncode == 2
    assert "is a pipe" in errors
    done, errors = piped("-", "-o", out)  # another sound perhaps, by the same name
    assert done.returncode == 1
    assert "is in the table" in errors


def test_what_a_folder_leaves_out_is_mentioned(folder: Path) -> None:
    for name in ("x.m4a", "y.WEBM", ".hidden.aac", "notes.txt"):
        (folder / name).touch()
    os.mkfifo(folder / "pipe.wav")
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    (folder / "again").symlink_to(folder)
    found = recordings([folder, folder / "0.wav"])
    assert [path.name for path in found.left_out] == ["pipe.wav", "x.m4a", "y.WEBM"]
    assert [path.name for path in found.files] == [
        *("0.wav", "1.wav", "2 bad.wav", "2.wav", "3.wav", "4.wav", "5.wav", "loop.wav")
    ]
    for path in folder.glob("*.wav"):
        path.unlink()
    with pytest.raises(AudioError, match=r"no recording.*2 files are left out.*\.m4a, \.webm"):
        recordings([folder])
