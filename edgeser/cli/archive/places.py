"""Finds recordings in folders, or at an address such as ``s3://bucket/calls``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from edgeser.cli.recordings import OTHERS, SUFFIXES, Found, recordings
from edgeser.errors import AudioError


def is_address(name: str) -> bool:
    """Whether it is one of a file system that pyarrow knows, and no path here."""
    return "://" in name


def file_system(name: str) -> tuple[Any, str]:
    """The file system of a path or an address, and the path there.

    Raises:
        AudioError: the kind of address is unknown, or the file system cannot be reached.
    """
    import pyarrow as pa
    from pyarrow import fs

    if not is_address(name):
        return fs.LocalFileSystem(), str(Path(name).absolute())
    try:
        found: tuple[Any, str] = fs.FileSystem.from_uri(name)
    except (OSError, pa.ArrowInvalid) as error:
        raise AudioError(f"{name}: {error}") from None
    return found


def find(names: Iterable[str]) -> Found:
    """As :func:`edgeser.cli.recordings.recordings`, of addresses too. Each name is a string's."""
    names = list(names)
    here = [Path(name) for name in names if not is_address(name)]
    found = recordings(here) if here else Found([], [])
    known: dict[Any, None] = dict.fromkeys(found.files)
    left_out: list[Any] = [*found.left_out]
    for name in filter(is_address, names):
        files, others = _below(name)
        known.update(dict.fromkeys(files))
        left_out += others
    return Found(list(known), left_out)


@contextmanager
def local(name: str) -> Iterator[Path]:
    """The recording as a file here: itself, or a copy that is gone afterwards."""
    if not is_address(name):
        yield Path(name)
        return
    system, path = file_system(name)
    with tempfile.NamedTemporaryFile(suffix=PurePosixPath(path).suffix) as copy:
        try:
            with system.open_input_stream(path) as source:
                shutil.copyfileobj(source, copy)
        except OSError as error:
            raise AudioError(f"{name}: cannot be read: {error}") from None
        copy.flush()
        yield Path(copy.name)


def _below(name: str) -> tuple[list[str], list[str]]:
    from pyarrow import fs

    system, path = file_system(name)
    try:
        info = system.get_file_info(path)
        if info.type != fs.FileType.Directory:
            return [name], []
        inside = system.get_file_info(fs.FileSelector(path, recursive=True))
    except OSError as error:
        raise AudioError(f"{name}: cannot be read: {error}") from None
    found: list[str] = []
    others: list[str] = []
    for each in sorted(inside, key=lambda info: str(info.path)):
        below = PurePosixPath(each.path).relative_to(path)
        suffix = below.suffix.lower()
        if each.type == fs.FileType.File and not any(part.startswith(".") for part in below.parts):
            address = f"{name.rstrip('/')}/{below}"
            if suffix in SUFFIXES:
                found.append(address)
            elif suffix in OTHERS:
                others.append(address)
    if not found:
        raise AudioError(f"{name}: there is no recording there")
    return found, others
