"""Result files are written atomically, once, and any Parquet reader can read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.dataset
import pyarrow.parquet
import pytest

import edgeser
from edgeser.cli.archive import parts
from edgeser.cli.archive.job import _parts
from edgeser.cli.archive.judge import Attempts, judged
from edgeser.cli.archive.parts import Judged, Parts, Shape
from edgeser.cli.archive.places import file_system, find, is_address, local
from edgeser.cli.demo import SAMPLE
from edgeser.cli.recordings import printable
from edgeser.cli.rows import columns, frame_row, utterance_row
from edgeser.errors import AudioError, TableError
from edgeser.streaming.analysis import utterances_of

SHAPE = Shape({"start": float, "label": str}, {"time": float}, "me")


def row(name: str, utterances: int = 1, frames: int = 2) -> Judged:
    spoken = [(float(n), None if n else "joy") for n in range(utterances)]
    return Judged(name, None, 2.0, 16_000, spoken, [(0.1 * n,) for n in range(frames)])


def read(folder: Path) -> list[dict[str, object]]:
    files = sorted(folder.glob("*.parquet"))
    table = pyarrow.dataset.dataset(files, format="parquet").to_table()
    rows: list[dict[str, object]] = table.to_pylist()
    return sorted(rows, key=lambda each: str(each["file"]))


def test_rows_come_back(tmp_path: Path) -> None:
    made = Parts(str(tmp_path / "out"), SHAPE)
    assert made.prepare() == set()
    made.write(["a", "b"], [row("a"), Judged("b", "b: is none")])
    made.write(["c"], [row("c", 0, 0)])
    assert made.prepare() == {"a", "b", "c"}
    a, b, c = read(tmp_path / "out")
    assert a == {
        "file": "a",
        "error": None,
        "duration": 2.0,
        "sample_rate": 16_000,
        "utterances": [{"start": 0.0, "label": "joy"}],
        "timeline": [{"time": 0.0}, {"time": 0.1}],
        "made_by": "me",
    }
    assert (b["error"], b["duration"], b["utterances"]) == ("b: is none", None, [])
    assert (c["utterances"], c["timeline"]) == ([], [])


def test_names_that_are_no_text_are_written_and_stay_different(tmp_path: Path) -> None:
    files = ["bad\udcff.wav", r"bad\udcff.wav", "ä.wav"]
    made = Parts(str(tmp_path / "out"), SHAPE)
    assert made.prepare() == set()
    work = [each for part in _parts(files, 1) for each in part]
    names = [name for name, _ in work]
    assert [place for _, place in work] == [str(Path(file).absolute()) for file in files]
    made.write(names, [row(name) for name in names])
    assert made.prepare() == set(map(printable, files)) == set(names)
    assert len(set(names)) == 3


def test_the_same_work_twice_is_one_part(tmp_path: Path) -> None:
    made = Parts(str(tmp_path), SHAPE)
    for _ in range(2):
        made.write(["a", "b"], [row("a"), row("b")])
    assert [each["file"] for each in read(tmp_path)] == ["a", "b"]


def test_a_part_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[Judged]:
        yield row("a")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Parts(str(tmp_path), SHAPE).write(["a", "b"], rows())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_worker_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "_0123.unfinished").write_bytes(b"PAR1")
    assert Parts(str(tmp_path), SHAPE).prepare() == set()
    assert list(tmp_path.iterdir()) == []


def test_long_timelines_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ROWS_AT_A_TIME", 5)
    Parts(str(tmp_path), SHAPE).write([*"abcde"], (row(name) for name in "abcde"))
    (part,) = tmp_path.iterdir()
    assert pyarrow.parquet.ParquetFile(part).num_row_groups == 2
    assert [each["file"] for each in read(tmp_path)] == [*"abcde"]


def test_other_results_are_not_gone_on_with(tmp_path: Path) -> None:
    Parts(str(tmp_path), SHAPE).write(["a"], [row("a")])
    with pytest.raises(TableError, match="made by me, not by you"):
        Parts(str(tmp_path), Shape(SHAPE.utterance, SHAPE.frame, "you")).prepare()
    with pytest.raises(TableError, match="columns"):
        Parts(str(tmp_path), Shape({"start": float}, SHAPE.frame, "me")).prepare()
    (tmp_path / "no.parquet").write_bytes(b"none")
    with pytest.raises(TableError, match="cannot be used"):
        Parts(str(tmp_path), SHAPE).prepare()


def test_one_pass_is_both_tables(bundled: edgeser.Model) -> None:
    made = judged(bundled, SAMPLE, "name", "own")
    analysis = bundled.analyze(SAMPLE)
    assert made.utterances == [utterance_row(each) for each in utterances_of(bundled, SAMPLE)]
    assert (made.duration, made.sample_rate) == (analysis.duration, analysis.sample_rate)
    assert len(made.timeline) == len(analysis.frames)
    shape = Shape(columns("utterances", bundled), columns("frames", bundled), "me")
    (back,) = shape.table([made]).to_pylist()
    assert [tuple(each.values()) for each in back["timeline"]] == made.timeline
    assert made.timeline[0] == frame_row(analysis.frames[0])


def test_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    (folder / "b").mkdir(parents=True)
    for name in ("a.wav", "b/c.FLAC", "b/d.m4a", ".e.wav", "f.txt"):
        (folder / name).write_bytes(b"x")
    address = folder.as_uri()
    assert is_address(address)
    assert not is_address(str(folder))
    found = find([address])
    assert [str(file) for file in found.files] == [f"{address}/a.wav", f"{address}/b/c.FLAC"]
    assert [str(file) for file in found.left_out] == [f"{address}/b/d.m4a"]
    assert find([f"{address}/f.txt"]).files == [f"{address}/f.txt"]
    with local(f"{address}/a.wav") as copy:
        assert copy.suffix == ".wav"
        assert copy.read_bytes() == b"x"
    assert not copy.exists()
    with pytest.raises(AudioError, match=r"g\.wav"), local(f"{address}/g.wav"):
        pass
    with pytest.raises(AudioError, match="nowhere"):
        file_system("nowhere://calls")


def test_attempts_count_only_what_did_not_end() -> None:
    attempts = Attempts()
    assert [attempts.begin("a"), attempts.begin("a"), attempts.begin("b")] == [0, 1, 0]
    attempts.end("a")
    assert [attempts.begin("a"), attempts.begin("b")] == [0, 1]
