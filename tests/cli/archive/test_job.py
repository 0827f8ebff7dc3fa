"""A job on a local Ray cluster: no recording is lost or duplicated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
import ray
import soundfile

import edgeser
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.archive import job
from edgeser.cli.archive.judge import Judge
from edgeser.cli.archive.parts import Judged, Parts, Shape
from edgeser.cli.rows import columns
from tests.cli.conftest import run
from tests.sounds import speech_like

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
WORKERS = 3
LIMIT = 300.0
"""Timeout in seconds; a cluster starts slowly on a busy machine."""


def archive(folder: Path, count: int, seconds: float) -> list[str]:
    """Names of recordings, one of which is not a recording."""
    folder.mkdir()
    first = folder / "00.wav"
    soundfile.write(first, speech_like(seconds), 16_000)
    for n in range(1, count):
        (folder / f"{n:02}.wav").hardlink_to(first)
    (folder / "05 bad.wav").write_bytes(b"no audio")
    return sorted(str(file) for file in folder.iterdir())


def read(out: Path) -> list[dict[str, Any]]:
    table = pyarrow.dataset.dataset(sorted(out.glob("*.parquet")), format="parquet").to_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return sorted(rows, key=lambda row: str(row["file"]))


def begin(folder: Path, out: Path, mark: str) -> subprocess.Popen[str]:
    options = ["--engine", "ray", "--jobs", str(WORKERS), "--out", str(out), "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "edgeser", "analyze", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "EDGESER_TEST_MARK": mark},
    )


def until_some_are_done(out: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + LIMIT
    while not list(out.glob("*.parquet")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def workers(mark: str) -> list[int]:
    """Processes of the job that judge."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            title = (place / "cmdline").read_bytes()
            if title.startswith(b"ray::") and mark.encode() in (place / "environ").read_bytes():
                found.append((int(place.name), title))
        except OSError:  # noqa: PERF203
            continue
    return [number for number, title in found if b"Judge" in title or b"MapWorker" in title]


def check(rows: list[dict[str, Any]], names: list[str]) -> None:
    assert [row["file"] for row in rows] == names
    good = [row for row in rows if not row["error"]]
    assert [row["file"] for row in rows if row["error"]] == [n for n in names if "bad" in n]
    model, frames = edgeser.load(), list[edgeser.EmotionFrame]()
    sound, rate = soundfile.read(good[0]["file"], dtype="float32")
    utterances = edgeser.Utterances(model, rate, on_frame=frames.append)
    told = utterances.process(sound) + utterances.flush()
    ends = [event.end for event in told if isinstance(event, edgeser.Utterance)]
    for row in good:
        assert [each["end"] for each in row["utterances"]] == ends
        assert [each["time"] for each in row["timeline"]] == [frame.time for frame in frames]


def test_a_worker_that_is_killed_costs_no_row(tmp_path: Path) -> None:
    names = archive(tmp_path / "calls", 30, 45)
    out, mark = tmp_path / "out", uuid.uuid4().hex
    process = begin(tmp_path / "calls", out, mark)
    until_some_are_done(out, process)
    there = workers(mark)
    assert len(there) == WORKERS
    os.kill(there[0], signal.SIGKILL)
    done_then = len(list(out.glob("*.parquet")))
    output, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, errors  # for the one that is no recording
    told = json.loads(output)
    assert done_then < len(list(out.glob("*.parquet")))
    assert (told["analysed"], told["skipped"], len(told["failed"])) == (30, 0, 1)
    check(read(out), names)
    # The same command has nothing left to do.
    again = run("analyze", tmp_path / "calls", "--engine", "ray", "--out", out, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["skipped"] == 31


def test_a_job_that_is_killed_goes_on(tmp_path: Path) -> None:
    names = archive(tmp_path / "calls", 20, 45)
    out, mark = tmp_path / "out", uuid.uuid4().hex
    process = begin(tmp_path / "calls", out, mark)
    until_some_are_done(out, process)
    process.kill()
    process.communicate()
    until = time.monotonic() + LIMIT
    while workers(mark):  # Ray ends them by itself
        assert time.monotonic() < until
        time.sleep(0.1)
    before = len(read(out))
    assert 0 < before < len(names)
    process = begin(tmp_path / "calls", out, mark)
    output, errors = process.communicate(timeout=LIMIT)
    told = json.loads(output)
    assert told["skipped"] == before, errors
    assert told["analysed"] + len(told["failed"]) == len(names) - before
    check(read(out), names)


class Deadly(Judge):
    def _one(self, name: str, place: str) -> Judged:
        if "deadly" in name:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._one(name, place)


def test_a_recording_that_kills_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "Judge", Deadly)
    names = archive(tmp_path / "calls", 4, 1)
    deadly = tmp_path / "calls" / "02 deadly.wav"
    deadly.hardlink_to(tmp_path / "calls" / "00.wav")
    names = sorted([*names, str(deadly)])
    model = edgeser.load()
    shape = Shape(columns("utterances", model), columns("frames", model), "me")
    parts = Parts(str(tmp_path / "out"), shape)
    parts.prepare()
    done = list(
        job.run(
            names,
            parts,
            shape,
            model=DEFAULT_BUNDLE,
            precision="float32",
            vad="own",
            workers=1,
        )
    )
    assert not ray.is_initialized()
    assert sum(count for count, _ in done) == len(names)
    errors = {row["file"]: row["error"] for row in read(tmp_path / "out") if row["error"]}
    assert list(errors) == [str(deadly), str(tmp_path / "calls" / "05 bad.wav")]
    assert "ended, each of 3 times" in errors[str(deadly)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rows", "utterances", "--out", "o"], "--rows"),
        (["--shard", "1/2", "--out", "o"], "--shard"),
        (["--plot", "p.png", "--out", "o"], "--plot"),
        (["--backend", "cuda", "--out", "o"], "--backend"),
        ([], "--out"),
    ],
)
def test_what_it_does_not_do_it_says(options: list[str], said: str) -> None:
    done = run("analyze", "sound.wav", "--engine", "ray", *options)
    assert done.returncode == 2
    assert said in done.stderr
