"""A table of results that grows by whole recordings, and can be resumed after any stop.

While it grows it is an SQLite file beside the final CSV or Parquet file, because these cannot add
the rows of a recording atomically. There the columns are ``c0``, ``c1`` and so on: a label may
contain quotes and SQL, and SQLite takes ``Happy`` and ``happy`` for the same column. The names are
rows of a table of their own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from edgeser.cli.formats import Columns, Row, format_of
from edgeser.cli.lock import Lock
from edgeser.errors import TableError
from edgeser.files import is_free

_FILES = "SELECT DISTINCT c0 FROM results"
_STORED = {str: "text", int: "integer", float: "real"}
_MOST = 1 << 53
_LAST = "SELECT coalesce(max(place), 0) FROM results"


class Table:
    """Rows of recordings. A context manager: leaving it, for any reason, writes the file.

    After a kill or a full disk the unfinished table remains, and the next run resumes it. A
    recording is in the table with all of its rows or not at all. Only one process at a time can
    write a table.

    Args:
        path: ends in ``.csv`` or ``.parquet``. An existing table is resumed.
        columns: name to str, int or float, of a row; any value may be None.
        made_by: the model and settings, a separate column: equal for all rows of a table.

    Raises:
        TableError: the table cannot be resumed: other columns, another model, or not a
            table; or another version of edgeser has begun it; or its extension is unknown; or
            another process is writing it; or it cannot be written; or a link or a pipe is at its
            path or at that of its unfinished rows.
        MissingExtraError: Parquet needs pyarrow.
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path, columns: Columns, made_by: str) -> None:
        self._columns = {"file": str, **columns, "made_by": str}
        self._slots = [f"c{number}" for number in range(len(self._columns))]
        """Names of the columns in SQLite."""
        self._format = format_of(path)
        self._made_by = made_by
        self.path = path
        file = Path(os.path.realpath(path))  # a link stays one
        self._file = file
        self._unfinished = file.with_name(f"{file.name}.unfinished")
        for place in (file, self._unfinished):
            if not is_free(place):
                raise TableError(
                    f"{place}: is a link or not a regular file: choose another place for the table"
                )
        if not file.parent.is_dir():
            raise TableError(f"{path}: there is no folder {path.parent}")
        try:
            self._lock = Lock(file.with_name(f"{file.name}.lock"), path)
        except OSError as error:
            raise TableError(f"{path}: cannot be written: {error.strerror}") from None
        try:
            self._rows = sqlite3.connect(self._unfinished, isolation_level=None)
            try:
                self._open()
                self.done = {name for (name,) in self._rows.execute(_FILES)}
                """Names of the recordings that it holds."""
                (last,) = self._rows.execute(_LAST).fetchone()
            except BaseException:
                self._rows.close()
                raise
        except sqlite3.OperationalError as error:  # the disk is full, or it is no place to write
            self._lock.release()
            raise TableError(f"{self._unfinished}: cannot be written: {error}") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._lock.release()
            raise self._alien(str(error)) from None
        except BaseException:
            self._lock.release()
            raise
        self._first_place = last + 1
        self._kept = True

    def add(self, file: str, rows: Sequence[Row], place: int | None = None) -> None:
        """Adds all rows of one recording; without rows, one that marks it as done.

        Rows of this run are written in the order of ``place``; None is last.

        Raises:
            TableError: it cannot be written, as the disk is full or gone. No row was added.
        """
        rows = rows or [[None] * (len(self._columns) - 2)]
        at = self._first_place + (len(self.done) if place is None else place)
        with self._whole_or_not():
            self._insert((at, file, *row, self._made_by) for row in rows)
        self.done.add(file)

    def rows_of(self, file: str) -> list[Row]:
        """The rows of one recording, as they were added."""
        values = ", ".join(self._slots[1:-1])
        found = self._rows.execute(
            f"SELECT {values} FROM results WHERE c0 = ? ORDER BY rowid",  # noqa: S608
            (file,),
        )
        return [tuple(row) for row in found]

    def keep(self, wanted: bool) -> None:
        """Whether the file is written in the end; else it stays as it is."""
        self._kept = wanted

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._finish()
        except (OSError, ValueError, sqlite3.Error) as problem:
            if kind is None:  # else that is what is told
                raise TableError(
                    f"{self.path}: cannot be written: {problem}; nothing is lost; run the "
                    "same command again to resume"
                ) from None
        finally:
            self._rows.close()
            self._lock.release()

    def _finish(self) -> None:
        if not self._kept:
            self._rows.close()
            self._unfinished.unlink()
            return
        whole = self._file.with_name(f"{self._file.name}.new")
        values = ", ".join(self._slots)
        rows = self._rows.execute(f"SELECT {values} FROM results ORDER BY place, rowid")  # noqa: S608
        whole.unlink(missing_ok=True)
        try:
            self._format.write(whole, self._columns, rows)
            whole.replace(self._file)
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
        self._rows.close()
        self._unfinished.unlink()

    def _open(self) -> None:
        """Resumes an unfinished table, or starts one with the rows of the finished one."""
        self._rows.execute("PRAGMA synchronous = OFF")  # proof against a kill, not a power cut
        begun = self._rows.execute("SELECT name FROM sqlite_master").fetchone() is not None
        try:
            if not begun:  # new, or what began it did not come to its end
                with self._whole_or_not():
                    self._create()
            self._check()
        except BaseException:
            if not begun:
                self._rows.close()
                self._unfinished.unlink(missing_ok=True)
            raise

    def _create(self) -> None:
        self._rows.execute("CREATE TABLE columns (name)")
        self._rows.executemany(
            "INSERT INTO columns VALUES (?)", ((name,) for name in self._columns)
        )
        self._rows.execute(f"CREATE TABLE results (place INTEGER, {', '.join(self._slots)})")
        if self._file.exists():
            try:
                rows = self._format.read(self._file, self._columns)
                self._insert((0, *row) for row in rows)
            except ValueError as error:
                raise self._alien(str(error)) from None
        self._rows.execute("CREATE INDEX of_file ON results (c0)")

    @contextmanager
    def _whole_or_not(self) -> Iterator[None]:
        try:
            self._rows.execute("BEGIN IMMEDIATE")
            yield
            self._rows.execute("COMMIT")
        except BaseException as error:
            if self._rows.in_transaction:
                self._rows.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise TableError(f"{self._unfinished}: cannot be written: {error}") from None
            raise

    def _insert(self, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" for _ in range(len(self._columns) + 1))
        self._rows.executemany(f"INSERT INTO results VALUES ({marks})", rows)  # noqa: S608

    def _check(self) -> None:
        if "file" in self._columns_of("results"):
            raise TableError(
                f"{self._unfinished}: was begun by another version of edgeser: finish the table "
                "with that one, or remove this file and run the same command again"
            )
        if self._columns_of("columns") != ["name"]:
            raise self._alien("the columns differ")
        names = [name for (name,) in self._rows.execute("SELECT name FROM columns ORDER BY rowid")]
        if names != list(self._columns) or self._columns_of("results") != ["place", *self._slots]:
            raise self._alien("the columns differ")
        self._check_values()
        maker_at = self._slots[-1]
        for (maker,) in self._rows.execute(f"SELECT DISTINCT {maker_at} FROM results"):  # noqa: S608
            if maker != self._made_by:
                raise self._alien(f"it was made by {maker}, not by {self._made_by}")

    def _check_values(self) -> None:
        """SQLite keeps any value in any column; another one could never be written."""
        wrong = [
            f"typeof({slot}) NOT IN ('{_STORED[kind]}', 'null')"
            for slot, kind in zip(self._slots, self._columns.values(), strict=True)
        ]
        wrong += ["c0 IS NULL", "typeof(place) <> 'integer'", f"place NOT BETWEEN 0 AND {_MOST}"]
        query = f"SELECT 1 FROM results WHERE {' OR '.join(wrong)}"  # noqa: S608
        if self._rows.execute(query).fetchone() is not None:
            raise TableError(
                f"{self._unfinished}: is damaged: remove it and run the same command again"
            )

    def _columns_of(self, table: str) -> list[str]:
        """The names of an SQLite table's columns; none if there is no such table."""
        return [name for _, name, *_ in self._rows.execute(f"PRAGMA table_info({table})")]

    def _alien(self, why: str) -> TableError:
        return TableError(f"{self.path}: cannot resume: {why}; choose another name")
