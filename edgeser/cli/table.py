"""A table of results that grows recording by recording, and can be gone on with after any stop.

While it grows it is an SQLite file beside the one that it becomes, CSV or Parquet, since neither of
these can take a recording's rows whole or not at all.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from edgeser.errors import MissingExtraError, TableError

Columns = Mapping[str, type]
Row = Sequence[str | int | float | None]
_AT_A_TIME = 10_000  # rows


class Table:
    """Rows of recordings. A context manager: leaving it, for whatever reason, writes the file.

    Only a process that is killed leaves the unfinished table; the next one goes on with it. A
    recording is in the table with all of its rows or not at all.

    Args:
        path: ends in ``.csv`` or ``.parquet``. What is there already is gone on with.
        columns: name to str, int or float, of a row; any value may be None.
        made_by: what rows are made with, a column of its own: all of a table are made alike.

    Raises:
        TableError: the file cannot be gone on with: other columns, made by something else, or no
            table; or its name ends otherwise.
        MissingExtraError: Parquet needs pyarrow.
        OSError: the file cannot be read or written.
    """

    def __init__(self, path: Path, columns: Columns, made_by: str) -> None:
        self._columns = {"file": str, **columns, "made_by": str}
        self._format = _format_of(path)
        self._made_by = made_by
        self.path = path
        self._unfinished = path.with_name(f"{path.name}.unfinished")
        if not path.parent.is_dir():
            raise TableError(f"{path}: there is no folder {path.parent}")
        goes_on = self._unfinished.exists()
        try:
            self._rows = sqlite3.connect(self._unfinished)
        except sqlite3.OperationalError as error:
            raise TableError(f"{self._unfinished}: {error}") from None
        try:
            self._rows.execute("PRAGMA synchronous = OFF")  # proof against a kill, not a power cut
            if not goes_on:
                self._create()
            self._check()
        except sqlite3.DatabaseError as error:
            raise self._alien(str(error)) from None
        except BaseException:
            self._rows.close()
            if not goes_on:
                self._unfinished.unlink()
            raise
        self.done = {name for (name,) in self._rows.execute("SELECT DISTINCT file FROM results")}
        """Names of the recordings that it holds."""

    def add(self, file: str, rows: Sequence[Row]) -> None:
        """All rows of one recording; for one without any, a row that says only so."""
        rows = rows or [[None] * (len(self._columns) - 2)]
        try:
            with self._rows:
                self._insert((file, *row, self._made_by) for row in rows)
        except sqlite3.OperationalError as error:  # the disk is full, or gone
            raise TableError(f"{self._unfinished}: {error}") from None
        self.done.add(file)

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        whole = self.path.with_name(f"{self.path.name}.new")
        rows = self._rows.execute("SELECT * FROM results ORDER BY rowid")
        self._format.write(whole, self._columns, rows)
        self._rows.close()
        whole.replace(self.path)
        self._unfinished.unlink()

    def _create(self) -> None:
        with self._rows:
            names = ", ".join(f'"{name}"' for name in self._columns)
            self._rows.execute(f"CREATE TABLE results ({names})")
            if self.path.exists():
                try:
                    self._insert(self._format.read(self.path, self._columns))
                except ValueError as error:
                    raise self._alien(str(error)) from None

    def _insert(self, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" for _ in self._columns)
        self._rows.executemany(f"INSERT INTO results VALUES ({marks})", rows)  # noqa: S608

    def _check(self) -> None:
        names = [name for _, name, *_ in self._rows.execute("PRAGMA table_info(results)")]
        if names != list(self._columns):
            raise self._alien("its columns are others")
        for (maker,) in self._rows.execute("SELECT DISTINCT made_by FROM results"):
            if maker != self._made_by:
                raise self._alien(f"it was made by {maker}, not by {self._made_by}")

    def _alien(self, why: str) -> TableError:
        return TableError(f"{self.path} cannot be gone on with: {why}; choose another name")


class _Format(Protocol):
    def write(self, path: Path, columns: Columns, rows: sqlite3.Cursor) -> None:
        """Write all rows."""

    def read(self, path: Path, columns: Columns) -> Iterator[Row]:
        """The rows of a file; raises ValueError if it is none with these columns."""


def _format_of(path: Path) -> _Format:
    formats: dict[str, type[_Format]] = {".csv": _Csv, ".parquet": _Parquet}
    if path.suffix.lower() not in formats:
        raise TableError(f"{path}: a table's name ends in {' or '.join(formats)}")
    return formats[path.suffix.lower()]()


class _Csv:
    def write(self, path: Path, columns: Columns, rows: sqlite3.Cursor) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)

    def read(self, path: Path, columns: Columns) -> Iterator[Row]:
        with path.open(encoding="utf-8", newline="") as file:
            try:
                reader = csv.reader(file)
                if next(reader, None) != list(columns):
                    raise ValueError("its columns are others")
                kinds = list(columns.values())
                for row in reader:
                    yield [
                        kind(text) if text else None for kind, text in zip(kinds, row, strict=True)
                    ]
            except csv.Error as error:
                raise ValueError(str(error)) from None


class _Parquet:
    def __init__(self) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as missing:
            raise MissingExtraError(
                "Parquet needs pyarrow: pip install 'edgeser[parquet]', or write a .csv"
            ) from missing
        self._pa: Any = pa
        self._pq: Any = pq

    def write(self, path: Path, columns: Columns, rows: sqlite3.Cursor) -> None:
        pa = self._pa
        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        with self._pq.ParquetWriter(path, schema) as file:
            while batch := rows.fetchmany(_AT_A_TIME):
                values = dict(zip(columns, zip(*batch, strict=True), strict=True))
                file.write_table(pa.table(values, schema))

    def read(self, path: Path, columns: Columns) -> Iterator[Row]:
        file = self._pq.ParquetFile(path)
        if file.schema_arrow.names != list(columns):
            raise ValueError("its columns are others")
        for batch in file.iter_batches(_AT_A_TIME):
            yield from zip(*batch.to_pydict().values(), strict=True)
