"""Files that somebody else may have put there: read without waiting, and never without an end.

And files that are written: whole, or not at all.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_NOTHING_BESIDE = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY))
"""What a folder says that takes no new file, and a file that is a mount of its own."""


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


def is_free(path: Path) -> bool:
    """Whether a file of ours may be kept there: nothing is, or a plain file.

    Through a link that somebody else put there another file would be written, and in a pipe or a
    device nothing is kept.
    """
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True


def write_whole(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Write a file that then holds all of ``data``, or what it held before.

    A link stays one, and so do its permissions. A device or a pipe is written into, and so is a
    file beside which, or in whose place, nothing can be put: then all is not certain to be there.
    Several processes may write one file; it holds what one of them wrote.

    Raises:
        OSError: it cannot be written; it has the file's name, which the system does not tell of a
            disk that is full.
    """
    given, target = Path(path), Path(os.path.realpath(path))
    try:
        if given.exists() and not given.is_file():
            given.write_bytes(data)
            return
        if given.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            _replace(target, data)
        except OSError as error:
            if error.errno not in _NOTHING_BESIDE or not target.is_file():
                raise
            target.write_bytes(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _replace(target: Path, data: bytes | memoryview) -> None:
    """Write beside the file, under a name that nobody else has, and put that in its place."""
    number, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        partial.chmod(_mode(target))
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink()


def _mode(target: Path) -> int:
    """The permissions of a file that is there, else those that a new one gets."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
