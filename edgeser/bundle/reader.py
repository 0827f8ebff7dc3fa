"""Read a bundle. What is checked, and how, is in ``csrc/bundle``: the same reader as C's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeser.bundle.manifest import Manifest, manifest_of
from edgeser.errors import BundleError
from edgeser.native import kernels

if TYPE_CHECKING:
    from edgeser._kernels import Bundle as Contents


class Bundle(NamedTuple):
    """The contents of a bundle, all checked; ``hash`` is the SHA-256 of its manifest in hex.

    ``frontend`` is empty where it was not asked for. The tensors are read-only.
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
        graph: whether ``frontend.onnx`` is wanted. If not, and the manifest tells the layers that
            it has, that half of the file is left unread: nobody will use it.

    Raises:
        BundleError: naming the file, the member and the reason, for anything that is not as
            :func:`edgeser.bundle.write_bundle` would have written it.
        BackendError: the compiled kernels cannot be imported.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise BundleError(f"a bundle is given by its path, not by {type(path).__name__}")
    return _bundle(kernels().read_bundle(os.fsencode(path), graph=graph))


def parse_bundle(data: bytes, *, graph: bool = True) -> Bundle:
    """The same of the bytes of a bundle; errors do not name a file."""
    return _bundle(kernels().parse_bundle(data, graph=graph))


def _bundle(contents: Contents) -> Bundle:
    return Bundle(
        manifest_of(contents.manifest),
        contents.hash,
        contents.front_end,
        contents.tensors,
        contents,
    )
