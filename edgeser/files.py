"""Reads untrusted files without blocking and with a size limit; writes files atomically."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import BufferedReader, FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NOTHING_BESIDE = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY))
"""Errors of a folder that refuses new files, and of a file that is a mount point."""


def open_plain(path: Path, *, links: bool = True) -> FileIO:
    """Opens a regular file to read it, unbuffered.

    What it is, is asked of the open file: between a look at the path and its opening, something
    else could take its place. A pipe without a writer is not waited for.

    Args:
        path: of the file.
        links: whether ``path`` itself may be a symbolic link.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a pipe, a device, a folder or, unless allowed, a link; or no path.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    if not links:
        if path.is_symlink():
            raise ValueError("it is a link")
        flags |= getattr(os, "O_NOFOLLOW", 0)
    if path.is_dir():  # which Windows does not open
        raise ValueError("it is not a regular file")
    try:
        number = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise ValueError("it is not a regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ValueError("it is not a regular file")
    return FileIO(number)


def read_plain(path: Path, most: int, *, links: bool = True) -> tuple[bytes, os.stat_result]:
    """Returns the bytes of a regular file, and its ``stat`` result.

    Args:
        path: of the file.
        most: its largest allowed size in bytes.
        links: whether ``path`` itself may be a symbolic link.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a pipe, a device, a folder or, unless allowed, a link; or it is too long.
    """
    with open_plain(path, links=links) as opened, BufferedReader(opened) as file:
        status = os.fstat(file.fileno())
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
    """Writes a file atomically: it then contains all of ``data``, or its old contents.

    Links and permissions are kept. A device, a pipe, or a file in a folder without write permission
    is written in place, which is not atomic. Several processes may write one file; the last one
    wins.

    Raises:
        OSError: it cannot be written; the error has the file's name, which the system omits if the
            disk is full.
    """
    from pathlib import Path  # loading a model reads and never writes, and needs no pathlib

    given, target = Path(path), Path(os.path.realpath(path))
    try:
        if given.exists() and not given.is_file():
            given.write_bytes(data)
            return
        if given.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            _replace(target, data, _mode(target))
        except OSError as error:
            if error.errno not in _NOTHING_BESIDE or not target.is_file():
                raise
            target.write_bytes(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def replace_plain(path: Path, data: bytes) -> None:
    """Writes a file atomically at ``path`` itself, and never into a file that is there.

    A link that somebody puts there after the check is replaced by the file, not followed. For the
    same reason there is no writing in place, as by :func:`write_whole`, in a folder that refuses
    new files: a hard link cannot be told from a file of our own.

    Raises:
        OSError: it cannot be written.
        ValueError: there is a link, a pipe, a device or a folder.
    """
    try:
        before = path.lstat().st_mode
    except FileNotFoundError:
        _replace(path, data, _default_mode())
        return
    if not stat.S_ISREG(before):
        raise ValueError("it is a link or not a regular file")
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    _replace(path, data, stat.S_IMODE(before))


def _replace(target: Path, data: bytes | memoryview, mode: int) -> None:
    """Writes a temporary file beside the target and renames it."""
    import tempfile
    from pathlib import Path

    number, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        partial.chmod(mode)
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink()


def _mode(target: Path) -> int:
    """The permissions of an existing file, or the default ones of a new file."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    return _default_mode()


def _default_mode() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
