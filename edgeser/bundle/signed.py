"""A bundle with a verified signature, and the files that the signature covers."""

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
    """Verifies the index of a folder of kernels against a signature.

    Raises:
        SignatureError: it differs from the signed one, or none was signed.
    """
    if signed.kernels is None:
        raise SignatureError(
            f"{path}: the signature covers no kernels: they were added later; sign again, or "
            "remove the folder"
        )
    if hashlib.sha256(data).hexdigest() != signed.kernels:
        raise SignatureError(f"{path}: is not what was signed: the kernels were changed later")
