"""Read a bundle, believing nothing: each member is bounded, hashed and checked before use."""

from __future__ import annotations

import errno
import hashlib
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from edgeser.bundle.manifest import MEMBERS, Manifest, parse_manifest
from edgeser.bundle.tensors import check_tensors
from edgeser.bundle.writer import COMMENT
from edgeser.errors import BundleError

LARGEST_BUNDLE = 512 << 20
"""Bytes. A bundle above this is refused before anything of it is read."""
LARGEST_MANIFEST = 1 << 20
"""Bytes. The same for manifest.json alone."""

_AGAIN = "take a file NAME.edgeser, or fetch this one again"


class Bundle(NamedTuple):
    """The contents of a bundle, all checked; ``hash`` is the SHA-256 of its manifest in hex.

    ``frontend`` is empty where it was not asked for.
    """

    manifest: Manifest
    hash: str
    frontend: bytes
    tensors: dict[str, npt.NDArray[np.float32]]


def read_bundle(path: str | os.PathLike[str], *, graph: bool = True) -> Bundle:
    """Read and check ``path``.

    Args:
        path: of the file.
        graph: whether ``frontend.onnx`` is wanted. If not, and the manifest tells the layers that
            it has, that half of the file is left unread: nobody will use it.

    Raises:
        BundleError: naming the file, the member and the reason, for anything that is not as
            :func:`edgeser.bundle.write_bundle` would have written it.
    """
    if not isinstance(path, str | os.PathLike):
        raise BundleError(f"a bundle is given by its path, not by {type(path).__name__}")
    source = Path(path)
    try:
        return _read(source, graph)
    except BundleError as error:
        raise BundleError(f"{source}: {error}") from None
    except FileNotFoundError:
        raise BundleError(f"{source}: there is no such file") from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place before the file's beginning
            raise BundleError(f"{source}: is not a bundle, or was cut short: {_AGAIN}") from None
        raise BundleError(f"{source}: cannot be read ({error.strerror or error})") from None


def _read(source: Path, graph: bool) -> Bundle:
    if source.is_dir():
        raise BundleError("is a folder; a bundle is one file, NAME.edgeser")
    size = source.stat().st_size
    if size > LARGEST_BUNDLE:
        raise BundleError(f"is {size} bytes; a bundle has at most {LARGEST_BUNDLE}")
    try:
        with zipfile.ZipFile(source) as archive:
            return _read_archive(archive, size, graph)
    except zipfile.BadZipFile as error:
        raise BundleError(f"is not a bundle, or was cut short ({error}): {_AGAIN}") from None
    except (NotImplementedError, RuntimeError, EOFError, UnicodeDecodeError) as error:
        raise BundleError(f"is not a readable bundle ({error}): {_AGAIN}") from None


def _read_archive(archive: zipfile.ZipFile, file_size: int, graph: bool) -> Bundle:
    _check_directory(archive, file_size)
    head = _bytes(archive, "manifest.json", LARGEST_MANIFEST)
    digest = hashlib.sha256(head).hexdigest()
    if archive.comment != COMMENT + digest.encode("ascii"):
        raise BundleError(
            "manifest.json is not the one that this bundle was made with "
            "(its hash differs from that in the zip comment): fetch the bundle again"
        )
    manifest = parse_manifest(head)
    frontend = b""
    if graph or manifest.network is None:
        from edgeser.bundle.onnx_scan import check_graph

        frontend = _member(archive, "frontend.onnx", manifest)
        check_graph(frontend, manifest)
    try:
        tensors = load_safetensors(_member(archive, "kernels.safetensors", manifest))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"kernels.safetensors cannot be read ({error})") from None
    check_tensors(manifest, tensors)
    return Bundle(manifest, digest, frontend, tensors)


def _check_directory(archive: zipfile.ZipFile, file_size: int) -> None:
    """The table of contents alone: exactly our members, each stored as it is, none absurd."""
    wanted = {"manifest.json", *MEMBERS}
    seen: set[str] = set()
    for info in archive.infolist():
        # orig_filename: zipfile cuts names at a NUL and rewrites separators in the other.
        if info.orig_filename not in wanted:
            raise BundleError(f"member {info.orig_filename!r} does not belong in a bundle")
        if info.filename in seen:
            raise BundleError(f"member {info.filename} is there twice")
        seen.add(info.filename)
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise BundleError(f"member {info.filename} is compressed; bundles store members as is")
        if info.flag_bits & 0x1:
            raise BundleError(f"member {info.filename} is encrypted")
        if info.file_size > file_size:
            raise BundleError(f"member {info.filename} claims more bytes than the whole file has")
    for name in sorted(wanted - seen):
        raise BundleError(f"member {name} is missing")
    begin = min(info.header_offset for info in archive.infolist())
    if begin != 0 or archive.start_dir + _directory_bytes(archive) != file_size:
        raise BundleError(
            f"is not a bundle as it was written, its ends were cut off or added to: {_AGAIN}"
        )


def _directory_bytes(archive: zipfile.ZipFile) -> int:
    """Bytes of a table of contents without extra fields, its end record and the comment."""
    names = sum(46 + len(info.orig_filename) + len(info.extra) for info in archive.infolist())
    return names + 22 + len(archive.comment)


def _member(archive: zipfile.ZipFile, name: str, manifest: Manifest) -> bytes:
    size, digest = manifest.members[name]
    data = _bytes(archive, name, size)
    if len(data) != size:
        raise BundleError(f"member {name} has {len(data)} bytes; manifest.json says {size}")
    if hashlib.sha256(data).hexdigest() != digest:
        raise BundleError(f"member {name} was altered (SHA-256 differs): fetch the bundle again")
    return data


def _bytes(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    size = archive.getinfo(name).file_size
    if size > most:
        raise BundleError(f"member {name} has {size} bytes; at most {most} are allowed")
    try:
        return archive.read(name)
    except zipfile.BadZipFile as error:
        raise BundleError(f"member {name} is damaged ({error}): fetch the bundle again") from None
