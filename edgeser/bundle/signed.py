"""A bundle whose signature holds, and what that signature covers beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from edgeser.errors import SignatureError


class Signed(NamedTuple):
    """A bundle whose signature holds."""

    data: bytes
    """Of the file that was verified: what is to be parsed, since the file may change."""
    by: str
    """The public key, in hex."""
    kernels: str | None
    """SHA-256 of the kernels' index, in hex; None if there was none to sign."""


def check_index(path: Path, data: bytes, signed: Signed) -> None:
    """Hold the index of a folder of kernels, as it was read, against a signature.

    Raises:
        SignatureError: it is not the one that was signed, or none was.
    """
    if signed.kernels is None:
        raise SignatureError(
            f"{path}: the signature covers no kernels: they were added since; sign again, or take "
            "the folder away"
        )
    if hashlib.sha256(data).hexdigest() != signed.kernels:
        raise SignatureError(f"{path}: is not what was signed: the kernels were changed since")
