"""Opens a path as a file that can be read repeatedly; copies pipes."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

from edgeser.audio.containers import is_sound
from edgeser.audio.span import Bytes, Span
from edgeser.errors import AudioError
from edgeser.files import open_plain

STDIN = Path("-")
"""Standard input, as programs call it. A file of this name is ``./-``."""


def is_pipe(path: Path) -> bool:
    """Whether it can be read only once: standard input, a FIFO, ``<(...)``."""
    try:
        return str(path) == str(STDIN) or stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Opens the file at its first byte, unbuffered.

    Raises:
        AudioError: it is missing, not a file, or not readable; a pipe has no audio, or more than
            fits on the disk.
    """
    if is_pipe(path):
        with _temporary() as copy:
            with _pipe(path) as source:
                _fill(copy, source, path)
            yield copy
        return
    with _file(path) as file:
        yield cast(BinaryIO, file)


@contextmanager
def part_of(file: BinaryIO, span: Span) -> Iterator[BinaryIO]:
    """A file with only ``span``: ``file`` itself if the span covers it, else a copy.

    Raises:
        AudioError: there is no room for a copy.
    """
    data = Bytes(file)
    if span.start == 0 and span.end == data.size and not span.patches:
        file.seek(0)
        yield file
        return
    with _temporary() as copy:
        file.seek(span.start)
        try:
            left = span.end - span.start
            while left and (piece := file.read(min(left, 1 << 20))):
                copy.write(piece)
                left -= len(piece)
            for place, correct in span.patches:
                copy.seek(place - span.start)
                copy.write(correct)
        except OSError as error:
            raise AudioError(_no_room(error)) from None
        copy.seek(0)
        yield copy


def _file(path: Path) -> FileIO:
    try:
        return open_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise AudioError(f"{path}: is a broken link") from None
        raise AudioError(f"{path}: there is no such file") from None
    except OSError as error:  # a loop of links, a name too long, no right to read it
        raise AudioError(f"{path}: cannot be opened: {error.strerror}") from None
    except ValueError as error:
        if "\0" in str(path):
            raise AudioError(f"{path}: cannot be opened: {error}") from None
        if path.is_dir():
            raise AudioError(f"{path}: is a folder; give the files in it") from None
        raise AudioError(
            f"{path}: is a device or a socket, not a recording: give a file or a pipe"
        ) from None


@contextmanager
def _pipe(path: Path) -> Iterator[BinaryIO]:
    if str(path) == str(STDIN):
        if sys.stdin is None or sys.stdin.closed:
            raise AudioError(f"{path}: standard input is closed: pipe a recording into it")
        if sys.stdin.isatty():
            raise AudioError(f"{path}: standard input is a terminal: pipe a recording into it")
        yield sys.stdin.buffer
        return
    try:
        pipe = path.open("rb")
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror}") from None
    with pipe:
        yield pipe


def _fill(copy: BinaryIO, source: BinaryIO, path: Path) -> None:
    try:
        head = source.read(16)
        if not head:
            raise AudioError(f"{path}: contains no data")
        if not is_sound(head):
            raise AudioError(f"{path}: its data is not audio; WAV, FLAC, Ogg and MP3 are supported")
        copy.write(head)
        shutil.copyfileobj(source, copy, 1 << 20)
    except OSError as error:
        raise AudioError(f"{path}: {_no_room(error)}") from None
    copy.seek(0)


@contextmanager
def _temporary() -> Iterator[BinaryIO]:
    try:
        file = tempfile.TemporaryFile(buffering=0, prefix="edgeser-")  # noqa: SIM115
    except OSError as error:
        raise AudioError(_no_room(error)) from None
    with file:
        yield cast(BinaryIO, file)


def _no_room(error: OSError) -> str:
    where = os.environ.get("TMPDIR") or tempfile.gettempdir()
    return (
        f"it takes a copy, which cannot be made in {where} ({error.strerror}): "
        "set TMPDIR to a folder with room"
    )
