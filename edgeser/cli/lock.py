"""A lock file between processes, which the system releases when its owner ends."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from edgeser.errors import TableError
from edgeser.files import is_free


class Lock:
    """Held from its creation until :meth:`release`.

    Args:
        path: of the lock file, which contains the owner's process id and exists while it is held.
        what: name of the protected file, for messages.

    Raises:
        TableError: another process holds it, or its path is a link or not a regular file.
        OSError: the file cannot be created.
    """

    def __init__(self, path: Path, what: Path) -> None:
        self._path = path
        odd = f"{path}: is a link or not a regular file, but must be a lock file: remove it"
        if not is_free(path):
            raise TableError(odd)
        while True:
            flags = os.O_RDWR | os.O_CREAT
            flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            self._file = os.open(path, flags, 0o666)
            try:
                if not stat.S_ISREG(os.fstat(self._file).st_mode):  # it came in between
                    raise TableError(odd)
                _lock(self._file)
            except BlockingIOError:
                owner = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
                os.close(self._file)
                raise TableError(
                    f"{what}: another process{' ' + owner if owner else ''} is writing this table: "
                    "let it end, or choose another name"
                ) from None
            except BaseException:
                os.close(self._file)
                raise
            if self._is_there():
                break
            os.close(self._file)  # its owner was just done, and took it away
        with suppress(OSError):  # on a full disk nobody is told who it is
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Releases the lock."""
        if sys.platform != "win32":
            self._path.unlink(missing_ok=True)  # while it is held: else the next one's might go
        os.close(self._file)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 1 << 30, os.SEEK_SET)  # not where the number is, which others read
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from None

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
