"""Reads and writes tables as CSV and Parquet, without loss."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

from edgeser.errors import MissingExtraError, TableError
from edgeser.files import open_plain

Columns = Mapping[str, type]
Row = Sequence[str | int | float | None]
_AT_A_TIME = 10_000  # rows
_TOO_LARGE = 1 << 63  # for Parquet and SQLite


class Format(Protocol):
    """One kind of file."""

    def write(self, path: Path, columns: Columns, rows: Iterable[Row]) -> None:
        """Write all rows to a new file; raises FileExistsError if anything is there, a link too."""

    def names(self, path: Path) -> list[str]:
        """Those of a file's columns; raises ValueError if it is none."""

    def read(self, path: Path, columns: Columns) -> Iterator[Row]:
        """The rows of a file; raises ValueError if it is none with these columns."""


def format_of(path: Path) -> Format:
    """That of a file's name. Raises TableError for others, MissingExtraError without pyarrow."""
    formats: dict[str, type[Format]] = {".csv": _Csv, ".parquet": _Parquet}
    if path.suffix.lower() not in formats:
        raise TableError(f"{path}: a table's name ends in {' or '.join(formats)}")
    return formats[path.suffix.lower()]()


class _Csv:
    def write(self, path: Path, columns: Columns, rows: Iterable[Row]) -> None:
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(_Lines(file), lineterminator=_Lines.END)
            writer.writerow(columns)
            writer.writerows(rows)

    def names(self, path: Path) -> list[str]:
        with TextIOWrapper(BufferedReader(open_plain(path)), "utf-8", newline="") as file:
            try:
                return next(csv.reader(file), [])
            except csv.Error as error:
                raise ValueError(str(error)) from None

    def read(self, path: Path, columns: Columns) -> Iterator[Row]:
        with TextIOWrapper(BufferedReader(open_plain(path)), "utf-8", newline="") as file:
            try:
                reader = csv.reader(file)
                if next(reader, None) != list(columns):
                    raise ValueError("the columns differ")
                kinds = [_whole if kind is int else kind for kind in columns.values()]
                line = reader.line_num + 1  # the first one of the next row
                for row in reader:
                    if len(row) != len(kinds):
                        size = "shorter" if len(row) < len(kinds) else "longer"
                        raise ValueError(
                            f"line {line} is {size} than the first: the number of its columns is "
                            f"{len(row)}, not {len(kinds)}"
                        )
                    yield [
                        kind(text) if text else None for kind, text in zip(kinds, row, strict=True)
                    ]
                    line = reader.line_num + 1
            except csv.Error as error:
                raise ValueError(str(error)) from None


class _Lines:
    """Ends the rows of a CSV file with a line feed alone.

    Before Python 3.13 ``csv.writer`` quotes a carriage return only if its own line end has one.
    Without quotes, that of a file's name ends the row for every reader.
    """

    END = "\r\n"

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> None:
        """A whole row, as ``csv.writer`` writes it."""
        self._file.write(f"{row.removesuffix(self.END)}\n")


def _whole(text: str) -> int:
    number = int(text)
    if not -_TOO_LARGE <= number < _TOO_LARGE:
        raise ValueError(f"a number of {len(text)} digits is too large")
    return number


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

    def write(self, path: Path, columns: Columns, rows: Iterable[Row]) -> None:
        pa = self._pa
        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        with path.open("xb") as opened, self._pq.ParquetWriter(opened, schema) as file:
            rows = iter(rows)
            while batch := list(islice(rows, _AT_A_TIME)):
                values = dict(zip(columns, zip(*batch, strict=True), strict=True))
                file.write_table(pa.table(values, schema))

    def names(self, path: Path) -> list[str]:
        with self._damage(), open_plain(path) as opened:
            return list(self._pq.ParquetFile(opened).schema_arrow.names)

    def read(self, path: Path, columns: Columns) -> Iterator[Row]:
        with self._damage(), open_plain(path) as opened:
            file = self._pq.ParquetFile(opened)
            if file.schema_arrow.names != list(columns):
                raise ValueError("the columns differ")
            for batch in file.iter_batches(_AT_A_TIME):
                yield from zip(*batch.to_pydict().values(), strict=True)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Errors of the system as they are; what Arrow says of the content as ValueError."""
        try:
            yield
        except (OSError, self._pa.ArrowException) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError((str(error) or "it is damaged").splitlines()[0]) from None
