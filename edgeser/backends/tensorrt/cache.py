"""A cache of engines on disk. Each has a header with its origin, so none is run by mistake.

    8 bytes   magic     b"EDGESERT"
    u32       length    of the head
    head      JSON      format; what the engine was built from and for; bytes and SHA-256 of it
    engine              as TensorRT serialised it

The file name depends on the device and the precision, the header on everything. So an engine of an
older version of TensorRT or of the model is found, recognised as stale, and replaced: the folder
does not grow with every update. All files in it can be deleted at any time.

TensorRT trusts engines like its own code. So an engine is used only if nobody else could have put
it there: file and folder must belong to the user or the administrator, must not be writable by
others, and the file must not be a link.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import stat
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeser.backends.tensorrt.builder import Batches
from edgeser.backends.tensorrt.flavour import Capability, Flavour
from edgeser.errors import BackendError
from edgeser.files import read_plain

FORMAT = 1
_MAGIC = b"EDGESERT"
_LENGTH = struct.Struct("<I")
_LARGEST_HEAD = 1 << 16
_LARGEST_ENGINE = 4 << 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Everything that determines an engine. Engines of the same origin are interchangeable."""

    flavour: str
    version: str
    """Of TensorRT."""
    target: str
    """The GPU's compute capability, as ``8.6``."""
    platform: str
    """Operating system and processor of the host, as ``linux-x86_64``."""
    model: str
    """The model's hash."""
    precision: str
    graph: str
    """SHA-256 of the ONNX graph."""
    usual_batch: int
    most_batch: int

    @classmethod
    def of(
        cls,
        flavour: Flavour,
        graph: bytes,
        batches: Batches,
        target: Capability,
        model: str,
        precision: str,
    ) -> Origin:
        """That of an engine which this machine would build."""
        return cls(
            flavour=flavour.name,
            version=flavour.version,
            target=f"{target[0]}.{target[1]}",
            platform=f"{platform.system()}-{platform.machine()}".lower(),
            model=model,
            precision=precision,
            graph=hashlib.sha256(graph).hexdigest(),
            usual_batch=batches.usual,
            most_batch=batches.most,
        )

    @property
    def file_name(self) -> str:
        """Its file name in the cache; the same for all versions of TensorRT and of the graph."""
        device = self.target.replace(".", "")
        return f"{self.model[:16]}-{self.precision}-sm{device}-{self.flavour}.engine"


def default_folder() -> Path:
    """The user's own cache, ``~/.cache/edgeser``.

    Raises:
        BackendError: the user has no home folder, as with some services.
    """
    try:
        return Path.home() / ".cache" / "edgeser"
    except RuntimeError as error:
        raise BackendError(f"no folder to store a TensorRT engine ({error}): set HOME") from error


class EngineCache:
    """A folder of engines. Several processes may share it; files are written atomically."""

    def __init__(self, folder: Path) -> None:
        """Creates nothing yet: the folder is created with the first engine."""
        self.folder = folder

    def get(self, origin: Origin, build: Callable[[], bytes]) -> bytes:
        """The cached engine of ``origin``, or a new one, which is then cached.

        One line is logged if the cached engine cannot be used, or if the new one cannot be
        stored; the new one is returned in any case.

        Raises:
            BackendError: as ``build`` does.
        """
        path = self.folder / origin.file_name
        try:
            return read_engine(self._read(path), origin)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            _log.warning("%s cannot be used (%s): building it anew", path, _plain(error))
        engine = build()
        try:
            self._keep(path, pack_engine(origin, engine))
        except OSError as error:
            _log.warning("the engine cannot be kept in %s (%s)", self.folder, _plain(error))
        return engine

    def has(self, origin: Origin) -> bool:
        """Whether the engine of ``origin`` is cached."""
        try:
            read_engine(self._read(self.folder / origin.file_name), origin)
        except (OSError, ValueError):
            return False
        return True

    def forget(self, origin: Origin, reason: str) -> None:
        """Deletes an engine that TensorRT refused to run, and logs the reason."""
        path = self.folder / origin.file_name
        _log.warning("%s cannot be used (%s): building it anew", path, reason)
        path.unlink(missing_ok=True)

    def _read(self, path: Path) -> bytes:
        """A file's bytes, if no other user can have written it. Raises OSError, ValueError."""
        _check_owner(self.folder.stat(), "its folder")
        data, status = read_plain(path, _LARGEST_ENGINE, links=False)
        _check_owner(status, "it")
        return data

    def _keep(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _check_owner(self.folder.stat(), "the folder")
        except ValueError as error:  # it would not be believed when it is found again
            raise OSError(str(error)) from None
        number, name = tempfile.mkstemp(prefix=path.name, suffix=".partial", dir=self.folder)
        partial = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def pack_engine(origin: Origin, engine: bytes) -> bytes:
    """An engine with its head, as a file holds it."""
    head = json.dumps(
        {
            "format": FORMAT,
            "origin": asdict(origin),
            "bytes": len(engine),
            "sha256": hashlib.sha256(engine).hexdigest(),
        },
        sort_keys=True,
    ).encode()
    return _MAGIC + _LENGTH.pack(len(head)) + head + engine


def read_head(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The head of a file, and the engine behind it, unchanged since it was written.

    Raises:
        ValueError: the bytes are not an engine of ours, are damaged, or have a newer format.
    """
    start = len(_MAGIC) + _LENGTH.size
    if not data.startswith(_MAGIC) or len(data) < start:
        raise ValueError("it is not an engine stored by edgeser")
    (length,) = _LENGTH.unpack_from(data, len(_MAGIC))
    if length > _LARGEST_HEAD or start + length > len(data):
        raise ValueError("it was cut short")
    try:
        head = json.loads(data[start : start + length])
    except (ValueError, RecursionError):
        raise ValueError("its header is damaged") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError("it was stored by another version of edgeser")
    engine = data[start + length :]
    if len(engine) != head.get("bytes"):
        raise ValueError("it was cut short")
    if hashlib.sha256(engine).hexdigest() != head.get("sha256"):
        raise ValueError("it is damaged")
    return head, engine


def read_engine(data: bytes, origin: Origin) -> bytes:
    """The engine in a file, if it is that of ``origin``.

    Raises:
        ValueError: as :func:`read_head`, or it was built from or for something else.
    """
    head, engine = read_head(data)
    found = head.get("origin")
    if not isinstance(found, dict):
        raise ValueError("its header is damaged")
    wanted = asdict(origin)
    for name in wanted:
        if found.get(name) != wanted[name]:
            what = name.replace("_", " ")
            raise ValueError(
                f"it was built for {what} {_short(found.get(name))}, here is {_short(wanted[name])}"
            )
    return engine


def _check_owner(status: os.stat_result, what: str) -> None:
    """Raises ValueError if others than this user and the administrator may write something."""
    if sys.platform == "win32":  # a user's folder there is the user's own
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise ValueError(f"{what} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"other users can write {what}: chmod go-w")


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text  # a hash


def _plain(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
