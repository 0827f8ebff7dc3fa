"""Files that somebody else may have put there: read without waiting, and never without an end.

And files that are written: whole, or not at all.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_plain(path: Path, most: int, *, links: bool = True) -> tuple[bytes, os.stat_result]:
    """The bytes of a plain file, and what the system says of that very file.

    Args:
        path: of the file.
        most: bytes that it may have.
        links: whether ``path`` itself may be a symbolic link.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a pipe, a device, a folder or, unless allowed, a link; or it is too long.
    """
    # A pipe that nobody writes to would be waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not links:
        if path.is_symlink():
            raise ValueError("it is a link")
        flags |= getattr(os, "O_NOFOLLOW", 0)
    if path.is_dir():  # which Windows does not open
        raise ValueError("it is no plain file")
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no plain file")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most} bytes")
    return data, status


def write_whole(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Write a file that then holds all of ``data``, or what it held before.

    A link stays one, and a device or a pipe is written into.

    Raises:
        OSError: it cannot be written; it has the file's name, which the system does not tell of a
            disk that is full.
    """
    given, target = Path(path), Path(os.path.realpath(path))
    try:
        if given.exists() and not given.is_file():
            given.write_bytes(data)
            return
        partial = target.with_name(f"{target.name}.partial")
        try:
            partial.write_bytes(data)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
