"""``edgeser merge``: joins the tables of shards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from edgeser.cli.formats import Columns, Row, format_of
from edgeser.cli.output import as_text, shown
from edgeser.cli.rows import columns_of
from edgeser.cli.table import Table
from edgeser.errors import TableError


def merge(
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="TABLE", help="Finished tables of `edgeser analyze --out`."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="results.csv",
            help="Table to write, .csv or .parquet. An existing one is extended.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Join tables, for example of shards: no recording is lost or duplicated."""
    if any(os.path.realpath(table) == os.path.realpath(out) for table in tables):
        raise typer.BadParameter(f"{out} is read and written: choose another name for --out")
    columns, made_by = _agreed(tables)
    added = there = 0
    with Table(out, columns, made_by) as joined:
        joined.keep(False)  # unless all goes well: what is read stays where it is
        for path in tables:
            for file, rows in _recordings(path, columns):
                if file not in joined.done:
                    joined.add(file, rows)
                    added += 1
                elif joined.rows_of(file) == rows:
                    there += 1
                else:
                    raise TableError(
                        f"{path}: {file} is in another table too, with another result: "
                        "find out which is right, and leave the other out"
                    )
        joined.keep(True)
    if as_json:
        typer.echo(as_text({"out": str(out), "added": added, "there_before": there}))
    else:
        typer.echo(f"{added} recordings added, {there} there before: {shown(out)}")


def _agreed(tables: Sequence[Path]) -> tuple[Columns, str]:
    """The columns and the maker of all tables, which must be alike."""
    names: list[str] | None = None
    maker: str | None = None
    columns: Columns | None = None
    for path in tables:
        unfinished = Path(f"{os.path.realpath(path)}.unfinished")
        if unfinished.exists():
            raise TableError(f"{path}: is not finished: run the command again that makes it")
        if not path.is_file():
            raise TableError(f"{path}: there is no such table")
        try:
            theirs = format_of(path).names(path)
        except ValueError as error:
            raise TableError(f"{path}: is not a table of results: {error}") from None
        columns = columns_of(theirs)
        if columns is None:
            raise TableError(f"{path}: is not a table of results: the columns differ")
        if names is not None and theirs != names:
            raise TableError(f"{path}: the columns differ from those of {tables[0]}")
        names = theirs
        for row in _rows(path, columns):
            if maker is not None and row[-1] != maker:
                raise TableError(f"{path}: it was made by {row[-1]}, and others by {maker}")
            maker = str(row[-1])
    assert columns is not None  # noqa: S101  Typer wants one table at least
    return columns, maker or ""


def _rows(path: Path, columns: Columns) -> Iterator[Row]:
    everything = {"file": str, **columns, "made_by": str}
    try:
        yield from format_of(path).read(path, everything)
    except ValueError as error:
        raise TableError(f"{path}: is not a table of results: {error}") from None


def _recordings(path: Path, columns: Columns) -> Iterator[tuple[str, list[Row]]]:
    """(file, its rows as :meth:`Table.add` takes them) of each recording."""
    for file, rows in groupby(_rows(path, columns), lambda row: row[0]):
        yield str(file), [tuple(row[1:-1]) for row in rows]
