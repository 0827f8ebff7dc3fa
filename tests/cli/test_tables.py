"""Result tables: two writers at once, a full disk, joining."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import edgeser
from edgeser.cli import app
from edgeser.cli.formats import Row, format_of
from edgeser.cli.table import Table
from tests.swapped import read_again_and_again

COLUMNS = {
    "duration": float,
    "sample_rate": int,
    "label": str,
    "confidence": float,
    "speech_seconds": float,
    "p_joy": float,
}
ROW = (2.5, 16_000, "joy", 0.1, 0.3, 1 / 3)


def write(path: Path, *names: str, made_by: str = "me", row: tuple[object, ...] = ROW) -> Path:
    with Table(path, COLUMNS, made_by) as table:
        for name in names:
            table.add(name, [row])  # type: ignore[list-item]
    return path


def names(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return [row["file"] for row in csv.DictReader(file)]


def test_one_process_at_a_time_has_a_table(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    with Table(out, COLUMNS, "me") as table:
        table.add("a", [ROW])
        probe = (
            "import sys, pathlib, edgeser\n"
            "from edgeser.cli.table import Table\n"
            "try: Table(pathlib.Path(sys.argv[1]), {'n': int}, 'me')\n"
            "except edgeser.TableError as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", probe, str(out)], capture_output=True, text=True, check=True
        )
        assert f"another process {os.getpid()} is writing this table" in done.stdout
        link = tmp_path / "link.csv"
        link.symlink_to(out)
        with pytest.raises(edgeser.TableError, match="is writing this table"):
            Table(link, COLUMNS, "me")
        table.add("b", [ROW])
    assert names(out) == ["a", "b"]
    write(link, "c")
    assert link.is_symlink()
    assert names(out) == ["a", "b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "r.csv"]


@pytest.mark.parametrize("beside", ["lock", "unfinished", "new"])
def test_nothing_is_written_through_a_link_beside_a_table(tmp_path: Path, beside: str) -> None:
    """An attacker who may write in the folder puts it there, to have another file overwritten."""
    precious, out = tmp_path / "precious", tmp_path / "r.csv"
    for content in ("what must not be lost", ""):  # an empty one would do for SQLite
        precious.write_text(content)
        link = out.with_name(f"r.csv.{beside}")
        link.symlink_to(precious)
        if beside == "new":
            write(out, "a")
            assert names(out) == ["a"]
            assert not out.is_symlink()
            out.unlink()
        else:
            with pytest.raises(edgeser.TableError, match="is a link or not a regular file"):
                write(out, "a")
            link.unlink()
        assert precious.read_text() == content


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
@pytest.mark.parametrize("name", ["r.csv", "r.csv.lock", "r.csv.unfinished", "r.csv.new"])
def test_a_pipe_where_a_table_belongs_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    if name.endswith(".new"):
        assert names(write(tmp_path / "r.csv", "a")) == ["a"]
        return
    with pytest.raises(edgeser.TableError, match="is a link or not a regular file"):
        write(tmp_path / "r.csv", "a")


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
@pytest.mark.parametrize("place", ["r.csv", "r.csv.lock"])
def test_a_pipe_that_takes_the_place_of_a_table_is_not_waited_for(
    tmp_path: Path, place: str
) -> None:
    out = write(tmp_path / "r.csv", "a")
    (tmp_path / "r.csv.lock").touch()

    def read() -> bool:
        try:
            with Table(out, COLUMNS, "me") as table:
                table.keep(False)
                return table.done == {"a"}
        except edgeser.TableError:
            return False

    read_again_and_again(tmp_path / place, read)


def test_a_device_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "r.csv").symlink_to("/dev/zero")
    with pytest.raises(edgeser.TableError, match="is a link or not a regular file"):
        write(tmp_path / "r.csv", "a")


@contextlib.contextmanager
def room(size: int) -> object:  # type: ignore[misc]
    """Limits file sizes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.999])
def test_a_full_disk_loses_no_row(tmp_path: Path, share: float) -> None:
    out = tmp_path / "r.csv"
    write(out, "0.wav")
    head, row = out.read_text().splitlines()
    rows = (row.replace("0.wav", f"{number}.wav") for number in range(25_000))
    out.write_text("\n".join([head, *rows, ""]))
    before = out.read_text()
    with room(int(len(before) * share)), pytest.raises(edgeser.TableError, match="cannot be writ"):
        write(out, *(f"new {number}.wav" for number in range(50)))
    assert out.read_text() == before
    write(out, "new.wav")
    found = names(out)
    assert found[:25_000] == [f"{number}.wav" for number in range(25_000)]
    assert "new.wav" in found
    assert len(found) == len(set(found))
    assert list(tmp_path.iterdir()) == [out]


def test_a_disk_that_fills_while_recordings_are_added(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    kept = []

    def fill() -> None:
        with Table(out, COLUMNS, "me") as table:
            for number in range(500):
                table.add(f"{number}.wav", [ROW] * 50)
                kept.append(f"{number}.wav")

    with room(200_000), pytest.raises(edgeser.TableError, match="cannot be written"):
        fill()
    with Table(out, COLUMNS, "me") as table:
        assert table.done == set(kept)
    assert names(out) == [name for name in kept for _ in range(50)]


def test_rows_come_in_the_order_of_their_places(tmp_path: Path) -> None:
    out = write(tmp_path / "r.csv", "first")
    with Table(out, COLUMNS, "me") as table:
        for place in (2, 0, 1):
            table.add(str(place), [ROW, ROW], place)
    assert names(out) == ["first", "0", "0", "1", "1", "2", "2"]


LABELS = (
    'a"b',
    "Happy",
    "happy",
    "ä",
    "Ä",
    'x" FROM sqlite_master --',
    "'; DROP TABLE results; --",
    "c0",
)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_label_may_have_quotes_and_differ_in_case_only(tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    columns = {"label": str, **{f"p_{label}": float for label in LABELS}}
    rows: list[Row] = [(label, *(n / 8 for n in range(8))) for label in LABELS]
    out = tmp_path / f"r.{ending}"
    for name in ("a", "b"):
        with Table(out, columns, "me") as table:
            assert name not in table.done
            table.add(name, rows)
            assert table.rows_of(name) == rows
    everything = {"file": str, **columns, "made_by": str}
    read = [tuple(row) for row in format_of(out).read(out, everything)]
    assert read == [(name, *row, "me") for name in ("a", "b") for row in rows]
    with pytest.raises(edgeser.TableError, match="the columns differ"):
        Table(out, {name.lower(): kind for name, kind in columns.items()}, "me")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE columns SET name = 'P_JOY' WHERE name = 'p_joy'", "the columns differ"),
        ("DROP TABLE columns", "the columns differ"),
        ("ALTER TABLE results RENAME COLUMN c6 TO c9", "the columns differ"),
        ("UPDATE results SET c7 = 'you'", "it was made by you, not by me"),
        # As it was named before labels could be anything.
        ("ALTER TABLE results RENAME COLUMN c0 TO file", "begun by another version of edgeser"),
        ("UPDATE results SET place = 'first'", "is damaged: remove it and run the same"),
        ("UPDATE results SET place = 9223372036854775807", "is damaged"),
        ("UPDATE results SET c0 = NULL", "is damaged"),
        ("UPDATE results SET c0 = x'ff'", "is damaged"),
        ("UPDATE results SET c1 = 'long'", "is damaged"),
    ],
)
def test_what_another_program_began_is_not_resumed(tmp_path: Path, change: str, said: str) -> None:
    out = tmp_path / "r.csv"
    unfinished = out.with_name("r.csv.unfinished")
    with Table(out, COLUMNS, "me") as table:
        table.add("a", [ROW])
        begun = unfinished.read_bytes()
    unfinished.write_bytes(begun)
    with contextlib.closing(sqlite3.connect(unfinished)) as rows:
        rows.execute(change)
        rows.commit()
    begun, before = unfinished.read_bytes(), out.read_bytes()
    with pytest.raises(edgeser.TableError, match=said):
        write(out, "b")
    assert (unfinished.read_bytes(), out.read_bytes()) == (begun, before)
    unfinished.unlink()
    write(out, "b")
    assert names(out) == ["a", "b"]


def merged(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["merge", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_shares_are_merged(tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    one = write(tmp_path / f"one.{ending}", "a", "b\n,c")
    two = write(tmp_path / "two.csv", "d", "a")
    empty = write(tmp_path / "none.csv")
    with Table(two, COLUMNS, "me") as table:
        table.add("silent", [])
    out = tmp_path / "all.csv"
    told = json.loads(merged(one, two, empty, "-o", out, "--json"))
    assert (told["added"], told["there_before"]) == (4, 1)
    assert names(out) == ["a", "b\n,c", "d", "silent"]
    once = out.read_text()
    told = json.loads(merged(one, two, empty, "-o", out, "--json"))
    assert (told["added"], told["there_before"]) == (0, 5)
    assert out.read_text() == once


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_carriage_return_in_a_name_is_merged(tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    one, out = write(tmp_path / f"one.{ending}", "a\rb", "c\r\nd"), tmp_path / "all.csv"
    for added, there in ((2, 0), (0, 2)):
        told = json.loads(merged(one, "-o", out, "--json"))
        assert (told["added"], told["there_before"]) == (added, there)
    assert names(out) == ["a\rb", "c\r\nd"]


def test_what_cannot_be_merged_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "a", "b")
    other = write(tmp_path / "other.csv", "b", row=(*ROW[:-1], 0.5))
    alien = write(tmp_path / "alien.csv", "c", made_by="you")
    (tmp_path / "notes.csv").write_text("file,what\n")
    (tmp_path / "damaged.csv").write_text(one.read_text() + "x,1\n")
    going_on = write(tmp_path / "going.csv", "d")
    (tmp_path / "going.csv.unfinished").touch()
    out = tmp_path / "all.csv"
    for table, said in (
        (other, "b is in another table too, with another result"),
        (alien, "was made by you, and others by me"),
        (tmp_path / "notes.csv", "the columns differ"),
        (tmp_path / "damaged.csv", r"damaged\.csv: is not a table of results: line 4 is shorter"),
        (going_on, "is not finished"),
        (tmp_path / "missing.csv", "no such table"),
    ):
        with pytest.raises(edgeser.TableError, match=said):
            merged(one, table, "-o", out)
        assert not out.exists()
    assert not list(tmp_path.glob("all.csv*"))
    done = CliRunner().invoke(app, ["merge", str(one), "-o", str(one)])
    assert done.exit_code == 2
    assert names(one) == ["a", "b"]
