"""Detached signatures of a bundle and the kernels beside it.

``NAME.edgeser.sig`` is beside ``NAME.edgeser``. It has five lines of ASCII:

    edgeser signature 1
    bundle <SHA-256 of the file NAME.edgeser, in hex>
    kernels <SHA-256 of NAME.kernels/index.json, in hex; or: none>
    by <the public key, 32 bytes, in hex>
    signature <Ed25519 of the four lines above, line ends included, in hex>

``index.json`` has the SHA-256 of every kernel, so its own covers the folder. The trusted key never
comes from the file: ``by`` only names the key in error messages.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeser.backends.cuda.index import INDEX, read_index
from edgeser.bundle.paths import signature_path
from edgeser.bundle.reader import LARGEST_BUNDLE
from edgeser.bundle.signed import Signed
from edgeser.errors import MissingExtraError, SignatureError
from edgeser.files import read_plain, replace_plain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Key = str | os.PathLike[str] | bytes
"""The path of a PEM file with one or more public keys, or the 32 bytes of one."""

_LARGEST_INDEX = 64 << 20
_LARGEST_KEY = 1 << 16
_NO_KERNELS = "none"
_FILE = re.compile(
    r"(?P<statement>edgeser signature 1\nbundle (?P<bundle>[0-9a-f]{64})\n"
    r"kernels (?P<kernels>[0-9a-f]{64}|none)\nby (?P<by>[0-9a-f]{64})\n)"
    r"signature (?P<signature>[0-9a-f]{128})\n"
)
_PEM = re.compile(b"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def sign(bundle: str | os.PathLike[str], key: str | os.PathLike[str]) -> Path:
    """Sign a bundle, and the folder ``NAME.kernels`` beside it if there is one.

    Args:
        bundle: the path of ``NAME.edgeser``.
        key: the path of a PEM file with an Ed25519 private key, without a password.

    Returns:
        The path of the signature, ``NAME.edgeser.sig``; an existing one is replaced.

    Raises:
        SignatureError: the key cannot be used, or a file cannot be read or written, or a link or
            a pipe is where the signature belongs.
        BackendError: the folder of kernels differs from what ``edgeser compile`` writes.
        MissingExtraError: the extra ``sign`` is not installed.
    """
    path, private = _file(bundle), _private_key(Path(key))
    lines = [
        "edgeser signature 1",
        f"bundle {hashlib.sha256(_bytes(path, LARGEST_BUNDLE)).hexdigest()}",
        f"kernels {_digest_of_kernels(path.with_suffix('.kernels'))}",
        f"by {private.public_key().public_bytes_raw().hex()}",
    ]
    statement = "".join(f"{line}\n" for line in lines)
    signature = private.sign(statement.encode("ascii")).hex()
    target = signature_path(path)
    try:
        replace_plain(target, f"{statement}signature {signature}\n".encode("ascii"))
    except OSError as error:
        raise SignatureError(f"{target}: cannot be written ({error.strerror})") from None
    except ValueError as error:
        raise SignatureError(f"{target}: cannot be written: {error}: remove it") from None
    return target


def verify(bundle: str | os.PathLike[str], key: Key, *, kernels: bool = True) -> Signed:
    """Verifies the signature of a bundle.

    Args:
        bundle: the path of ``NAME.edgeser``.
        key: the public key, or keys, to accept.
        kernels: whether to verify the folder ``NAME.kernels`` too, every file of it.

    Raises:
        SignatureError: there is no signature, it belongs to another key or to other files, or the
            key cannot be used. The message says which.
        BackendError: a kernel is missing or altered.
        MissingExtraError: the extra ``sign`` is not installed.
    """
    path = _file(bundle)
    allowed = _public_keys(key)
    file = signature_path(path)
    if not _is_there(file):
        raise SignatureError(
            f"{path}: is not signed: {file.name} is missing beside it. Get it from the source of "
            "the bundle, or load the bundle without a key if you trust it"
        )
    found = _FILE.fullmatch(_bytes(file, _LARGEST_KEY).decode("ascii", "replace"))
    if found is None:
        raise SignatureError(f"{file}: is not a signature by edgeser, or is damaged: get it again")
    by = found["by"]
    if by not in allowed:
        raise SignatureError(
            f"{path}: is signed by the key {by[:16]}, not by {' or '.join(k[:16] for k in allowed)}"
        )
    _check_signature(file, by, found["signature"], found["statement"])
    data = _bytes(path, LARGEST_BUNDLE)
    if hashlib.sha256(data).hexdigest() != found["bundle"]:
        raise SignatureError(f"{path}: is not the bundle that was signed: it was changed later")
    signed = Signed(data, by, None if found["kernels"] == _NO_KERNELS else found["kernels"])
    folder = path.with_suffix(".kernels")
    if kernels and (_is_there(folder) or signed.kernels):
        index = read_index(folder, signed=signed)
        for kernel in index.kernels.values():
            for variant in kernel.variants:
                index.read(variant)
    return signed


def _file(bundle: str | os.PathLike[str]) -> Path:
    """The path of a bundle, which has a name that a signature can be beside."""
    try:
        path = Path(bundle)
    except TypeError:  # of bytes
        raise SignatureError(
            f"a bundle is given by its path, not by {type(bundle).__name__}"
        ) from None
    if not path.name:
        raise SignatureError(f"{os.fspath(bundle)!r}: is no file, NAME.edgeser")
    return path


def _digest_of_kernels(folder: Path) -> str:
    if not _is_there(folder):
        return _NO_KERNELS
    index = read_index(folder)
    for kernel in index.kernels.values():
        for variant in kernel.variants:
            index.read(variant)  # nothing is signed that would be refused
    return hashlib.sha256(_bytes(folder / INDEX, _LARGEST_INDEX)).hexdigest()


def _is_there(path: Path) -> bool:
    """``path.exists()``, except that what cannot be looked at is an error and not absent."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:  # no right to look into the folder, a name that is too long
        raise SignatureError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a NUL in the path
        raise SignatureError(f"{path}: cannot be read: {error}") from None
    return True


def _bytes(path: Path, most: int) -> bytes:
    try:
        return read_plain(path, most)[0]
    except OSError as error:
        raise SignatureError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # and a NUL in the path
        raise SignatureError(f"{path}: cannot be read: {error}") from None


def _private_key(path: Path) -> Ed25519PrivateKey:
    ed25519, serialization = _cryptography()
    try:
        key = serialization.load_pem_private_key(_bytes(path, _LARGEST_KEY), password=None)
    except TypeError:
        raise SignatureError(f"{path}: has a password: sign with a key that has none") from None
    except ValueError:
        raise SignatureError(f"{path}: is not a private key in PEM: {_MAKE}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SignatureError(f"{path}: is not an Ed25519 key: {_MAKE}")
    private: Ed25519PrivateKey = key
    return private


def _public_keys(key: Key) -> list[str]:
    """Public keys in hex."""
    ed25519, serialization = _cryptography()
    if isinstance(key, bytes):
        if len(key) != 32:
            raise SignatureError(f"a public key has 32 bytes, and this one {len(key)}")
        return [key.hex()]
    if not isinstance(key, str | os.PathLike):
        raise SignatureError(f"a key is a path or 32 bytes, not {type(key).__name__}")
    path = Path(key)
    text = _bytes(path, _LARGEST_KEY)
    if b"PRIVATE KEY" in text:
        raise SignatureError(f"{path}: is a private key, which must not be on a device: {_MAKE}")
    keys = []
    for block in _PEM.findall(text):
        try:
            public = serialization.load_pem_public_key(block)
        except ValueError:
            raise SignatureError(f"{path}: a key in it is damaged") from None
        if not isinstance(public, ed25519.Ed25519PublicKey):
            raise SignatureError(f"{path}: is not an Ed25519 key: {_MAKE}")
        keys.append(public.public_bytes_raw().hex())
    if not keys:
        raise SignatureError(f"{path}: is not a public key in PEM: {_MAKE}")
    return keys


_MAKE = (
    "make keys with `openssl genpkey -algorithm ed25519 -out private.pem` and `openssl pkey -in "
    "private.pem -pubout -out public.pem`"
)


def _check_signature(file: Path, by: str, signature: str, statement: str) -> None:
    from cryptography.exceptions import InvalidSignature

    ed25519, _ = _cryptography()
    try:
        public = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(by))
        public.verify(bytes.fromhex(signature), statement.encode("ascii"))
    except (InvalidSignature, ValueError):
        raise SignatureError(
            f"{file}: the signature is invalid: this file was changed, or was not signed with the "
            f"key {by[:16]}"
        ) from None


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError(
            f"signatures need cryptography ({error}): pip install 'edgeser[sign]'"
        ) from error
    return ed25519, serialization
