"""Results as Parquet: a folder of files, with one row for each recording.

Files are written atomically, and their names follow from their recordings, so a worker that repeats
its work writes the same file again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from pyarrow import fs

from edgeser.cli.archive.places import file_system
from edgeser.cli.formats import Columns, Row
from edgeser.errors import TableError

_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_ROWS_AT_A_TIME = 1 << 18
"""Of timelines, in memory; about ten hours."""


@dataclass(slots=True)
class Judged:
    """A row: the results of a recording, or its error."""

    file: str
    error: str | None = None
    duration: float | None = None
    sample_rate: int | None = None
    utterances: list[Row] = field(default_factory=list)
    timeline: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """The columns of a row; immutable."""

    utterance: Columns
    frame: Columns
    made_by: str

    @property
    def schema(self) -> Any:
        """Of a file."""
        return pa.schema(
            [
                ("file", pa.string()),
                ("error", pa.string()),
                ("duration", pa.float64()),
                ("sample_rate", pa.int64()),
                ("utterances", pa.list_(_struct(self.utterance))),
                ("timeline", pa.list_(_struct(self.frame))),
                ("made_by", pa.string()),
            ]
        )

    def table(self, rows: Sequence[Judged]) -> Any:
        """Rows as Arrow's."""
        columns = [
            pa.array([row.file for row in rows], pa.string()),
            pa.array([row.error for row in rows], pa.string()),
            pa.array([row.duration for row in rows], pa.float64()),
            pa.array([row.sample_rate for row in rows], pa.int64()),
            _lists(self.utterance, [row.utterances for row in rows]),
            _lists(self.frame, [row.timeline for row in rows]),
            pa.array([self.made_by] * len(rows), pa.string()),
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)


class Parts:
    """The folder of one job, anywhere."""

    def __init__(self, folder: str, shape: Shape) -> None:
        self.folder, self._shape = folder, shape
        self._system, self._path = file_system(folder)

    def prepare(self) -> set[str]:
        """Creates the folder, removes files of killed workers, and returns what is already done.

        Raises:
            TableError: the folder has other contents, or those of another model; or it cannot be
                written.
        """
        try:
            self._system.create_dir(self._path, recursive=True)
            inside = self._system.get_file_info(fs.FileSelector(self._path))
            for info in inside:
                if info.base_name.startswith("_") and info.base_name.endswith(".unfinished"):
                    self._system.delete_file(info.path)
            parts = [info.path for info in inside if info.base_name.endswith(".parquet")]
            if not parts:
                return set()
            found = pa.dataset.dataset(parts, filesystem=self._system, format="parquet")
            if found.schema != self._shape.schema:
                raise self._alien("the columns differ")
            done = found.to_table(["file", "made_by"])
        except (OSError, pa.ArrowInvalid) as error:
            raise TableError(f"{self.folder}: cannot be used: {error}") from None
        for maker in done["made_by"].unique().to_pylist():
            if maker != self._shape.made_by:
                raise self._alien(f"it was made by {maker}, not by {self._shape.made_by}")
        return set(done["file"].to_pylist())

    def write(self, files: Sequence[str], rows: Iterable[Judged]) -> None:
        """Writes the file of these recordings, atomically."""
        name = sha256("\n".join(files).encode()).hexdigest()[:32]
        unfinished = f"{self._path}/_{name}.{uuid4().hex[:8]}.unfinished"
        try:
            with (
                self._system.open_output_stream(unfinished) as sink,
                pq.ParquetWriter(sink, self._shape.schema) as writer,
            ):
                for some in _together(rows):
                    writer.write_table(self._shape.table(some))
            self._system.move(unfinished, f"{self._path}/{name}.parquet")
        except BaseException:
            with suppress(OSError):
                self._system.delete_file(unfinished)
            raise

    def _alien(self, why: str) -> TableError:
        return TableError(f"{self.folder}: cannot resume: {why}; choose another name")


def _together(rows: Iterable[Judged]) -> Iterator[list[Judged]]:
    some: list[Judged] = []
    held = 0
    for row in rows:
        some.append(row)
        held += len(row.timeline)
        if held >= _ROWS_AT_A_TIME:
            yield some
            some, held = [], 0
    if some:
        yield some


def _struct(columns: Columns) -> Any:
    return pa.struct([(name, _TYPES[kind]) for name, kind in columns.items()])


def _lists(columns: Columns, lists: Sequence[Sequence[Row]]) -> Any:
    """Each list of rows as a list of structs."""
    offsets = [0]
    for rows in lists:
        offsets.append(offsets[-1] + len(rows))
    turned = list(zip(*(row for rows in lists for row in rows), strict=True))
    values = pa.StructArray.from_arrays(
        [
            pa.array(turned[place] if turned else [], _TYPES[kind])
            for place, kind in enumerate(columns.values())
        ],
        fields=list(_struct(columns)),
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
