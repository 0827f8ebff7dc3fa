"""Binding of the bundle reader in ``csrc/bundle``, which Python and C share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeser.bundle.manifest import Manifest, manifest_of
from edgeser.errors import BundleError
from edgeser.files import read_plain
from edgeser.native import kernels

if TYPE_CHECKING:
    from pathlib import Path

    from edgeser._kernels import Bundle as Contents


LARGEST_BUNDLE = 512 << 20
"""As ``limits::bundle_bytes`` of the core."""


class Bundle(NamedTuple):
    """The contents of a bundle, all checked; ``hash`` is the SHA-256 of its manifest in hex.

    ``frontend`` is empty if it was not requested. The tensors are read-only.
    """

    manifest: Manifest
    hash: str
    frontend: bytes
    tensors: dict[str, npt.NDArray[np.float32]]
    contents: Contents
    """The same for the compiled kernels."""


def read_bundle(path: str | os.PathLike[str], *, graph: bool = True) -> Bundle:
    """Read and check ``path``.

    Args:
        path: of the file.
        graph: whether ``frontend.onnx`` is needed. If not, and the manifest has the layers, that
            half of the file is not read.

    Raises:
        BundleError: for any deviation from what :func:`edgeser.bundle.write_bundle` writes; the
            message names the file, the member and the reason.
        BackendError: the compiled kernels cannot be imported.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise BundleError(f"a bundle is given by its path, not by {type(path).__name__}")
    return _bundle(kernels().read_bundle(os.fsencode(path), graph=graph))


def bundle_bytes(path: Path) -> bytes:
    """The bytes of a bundle, unchecked, to copy or send it.

    Raises:
        BundleError: they cannot be read, or it is no file.
    """
    try:
        return read_plain(path, LARGEST_BUNDLE)[0]
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise BundleError(f"{path}: cannot be read: {error}") from None


def parse_bundle(data: bytes, *, graph: bool = True) -> Bundle:
    """The same for the bytes of a bundle; errors do not name a file."""
    return _bundle(kernels().parse_bundle(data, graph=graph))


def _bundle(contents: Contents) -> Bundle:
    return Bundle(
        manifest_of(contents.manifest),
        contents.hash,
        contents.front_end,
        contents.tensors,
        contents,
    )
