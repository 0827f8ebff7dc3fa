"""Signed bundles: every kind of invalid signature has its own error."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import edgeser
from edgeser.backends.cuda import factory
from edgeser.backends.cuda.index import INDEX
from edgeser.bundle.paths import DEFAULT_BUNDLE, signature_path
from edgeser.signing import sign, verify
from tests.cli.conftest import run
from tests.sounds import speech_like, whole

PEM = serialization.Encoding.PEM


def _write(folder: Path, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> Path:
    folder.mkdir()
    plain = serialization.NoEncryption()
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "private.pem").write_bytes(private)
    (folder / "public.pem").write_bytes(public)
    return folder


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(
        tmp_path_factory.mktemp("keys") / "mine",
        ed25519.Ed25519PrivateKey.from_private_bytes(b"m" * 32),
    )


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("keys") / "others", ed25519.Ed25519PrivateKey.generate())


@pytest.fixture
def bundle(tmp_path: Path, keys: Path) -> Path:
    """A signed one with kernels beside it."""
    path = tmp_path / "mine.edgeser"
    shutil.copy(DEFAULT_BUNDLE, path)
    shutil.copytree(DEFAULT_BUNDLE.with_suffix(".kernels"), path.with_suffix(".kernels"))
    assert sign(path, keys / "private.pem") == signature_path(path)
    return path


def _damage(path: Path, at: int = -40) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_signed_bundle_is_the_same_model(bundle: Path, keys: Path) -> None:
    model = edgeser.load(bundle, key=keys / "public.pem")
    sound = speech_like(1.0)
    assert model.hash == edgeser.load().hash
    assert whole(model.stream(16_000), sound) == whole(edgeser.load().stream(16_000), sound)
    raw = ed25519.Ed25519PrivateKey.from_private_bytes(b"m" * 32).public_key().public_bytes_raw()
    signed = verify(bundle, raw)
    assert (signed.by, signed.data) == (raw.hex(), bundle.read_bytes())
    assert edgeser.load(bundle, key=raw).hash == model.hash


def test_the_same_bundle_and_key_give_the_same_signature(bundle: Path, keys: Path) -> None:
    before = signature_path(bundle).read_bytes()
    sign(bundle, keys / "private.pem")
    assert signature_path(bundle).read_bytes() == before
    assert len(before) < 400


def test_signing_writes_through_no_link_of_others(bundle: Path, keys: Path, tmp_path: Path) -> None:
    """A writer in a bundle's folder cannot make us overwrite other files."""
    precious = tmp_path / "precious"
    precious.write_text("what must not be lost")
    before = signature_path(bundle).read_bytes()
    bundle.with_name(f"{bundle.name}.sig.partial").symlink_to(precious)
    sign(bundle, keys / "private.pem")
    assert precious.read_text() == "what must not be lost"
    assert signature_path(bundle).read_bytes() == before


@pytest.mark.parametrize("there", ["a file", "nothing"])
def test_a_link_in_place_of_the_signature_is_refused(
    bundle: Path, keys: Path, tmp_path: Path, there: str
) -> None:
    precious, link = tmp_path / "precious", signature_path(bundle)
    if there == "a file":
        precious.write_text("what must not be lost")
    link.unlink()
    link.symlink_to(precious)
    with pytest.raises(
        edgeser.SignatureError, match=r"edgeser\.sig: cannot be written: it is a link"
    ):
        sign(bundle, keys / "private.pem")
    assert link.is_symlink()
    if there == "a file":
        assert precious.read_text() == "what must not be lost"
    else:
        assert not precious.exists()


def test_a_link_that_comes_while_signing_is_replaced(
    bundle: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker who may write in the folder puts it there after our look at the path."""
    precious, place = tmp_path / "precious", signature_path(bundle)
    precious.write_text("what must not be lost")
    precious.chmod(0o666)
    before, mode = place.read_bytes(), place.stat().st_mode
    make = tempfile.mkstemp

    def make_and_put_a_link(*given: Any, **named: Any) -> tuple[int, str]:
        place.unlink()
        place.symlink_to(precious)
        return make(*given, **named)

    monkeypatch.setattr(tempfile, "mkstemp", make_and_put_a_link)
    sign(bundle, keys / "private.pem")
    assert not place.is_symlink()
    assert (place.read_bytes(), place.stat().st_mode) == (before, mode)
    assert precious.read_text() == "what must not be lost"


@pytest.mark.skipif(sys.platform == "win32", reason="has no hard links to the files of others")
def test_a_hard_link_is_not_written_through(bundle: Path, keys: Path, tmp_path: Path) -> None:
    precious, place = tmp_path / "precious", signature_path(bundle)
    precious.write_text("what must not be lost")
    for refuses in (False, True):
        place.unlink()
        place.hardlink_to(precious)
        with pytest.MonkeyPatch.context() as patch:
            if refuses:  # a folder of somebody else, for example
                patch.setattr(tempfile, "mkstemp", _refused)
                with pytest.raises(edgeser.SignatureError, match=r"cannot be written \(Permission"):
                    sign(bundle, keys / "private.pem")
            else:
                sign(bundle, keys / "private.pem")
        assert precious.read_text() == "what must not be lost"


def _refused(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
def test_a_pipe_in_place_of_the_signature_is_not_waited_for(bundle: Path, keys: Path) -> None:
    signature_path(bundle).unlink()
    os.mkfifo(signature_path(bundle))
    with ends_within(20), pytest.raises(edgeser.SignatureError, match="not a regular file"):
        sign(bundle, keys / "private.pem")


@contextmanager
def ends_within(seconds: int) -> Iterator[None]:
    """Fails instead of waiting for a writer or a reader that never comes."""

    def waited(*_: object) -> None:
        raise AssertionError(f"it did not end in {seconds} s")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_the_permissions_of_a_signature(bundle: Path, keys: Path) -> None:
    place = signature_path(bundle)
    plain = bundle.with_name("plain")
    plain.write_text("as any program does")
    assert place.stat().st_mode == plain.stat().st_mode
    place.chmod(0o640)
    sign(bundle, keys / "private.pem")
    assert place.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("length", [252, 5_000])
def test_a_name_that_is_too_long(tmp_path: Path, keys: Path, length: int) -> None:
    """A file may have 255 bytes of a name: a bundle's may fit, and its signature's not."""
    path = tmp_path / f"{'a' * (length - 8)}.edgeser"
    if length < 256:
        shutil.copy(DEFAULT_BUNDLE, path)
    for attempt in (edgeser.load, verify):
        with pytest.raises(edgeser.SignatureError, match=r"cannot be read \(File name too long\)"):
            attempt(path, key=keys / "public.pem")
    with pytest.raises(edgeser.SignatureError, match="File name too long"):
        sign(path, keys / "private.pem")


def test_a_name_for_which_there_can_be_no_kernels(tmp_path: Path, keys: Path) -> None:
    path = tmp_path / f"{'a' * 249}.e"
    shutil.copy(DEFAULT_BUNDLE, path)
    with pytest.raises(edgeser.SignatureError, match=r"kernels: cannot be read \(File name too"):
        sign(path, keys / "private.pem")


def test_a_folder_that_may_not_be_searched(
    bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator may search any, so the system's answer is made up."""
    stat = Path.stat

    def refused(path: Path, **how: bool) -> os.stat_result:
        if path.name == unsearchable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refused)
    said = r"cannot be read \(Permission denied\)"
    unsearchable = signature_path(bundle).name
    for attempt in (edgeser.load, verify):
        with pytest.raises(edgeser.SignatureError, match=said):
            attempt(bundle, key=keys / "public.pem")
    unsearchable = "mine.kernels"
    with pytest.raises(edgeser.SignatureError, match=said):
        verify(bundle, keys / "public.pem")
    with pytest.raises(edgeser.SignatureError, match=said):
        sign(bundle, keys / "private.pem")


def test_a_missing_signature(bundle: Path, keys: Path) -> None:
    signature_path(bundle).unlink()
    for attempt in (edgeser.load, verify):
        with pytest.raises(
            edgeser.SignatureError, match=r"not signed: mine\.edgeser\.sig is missing"
        ):
            attempt(bundle, key=keys / "public.pem")
    assert edgeser.load(bundle)  # as before, for whom it is enough


def test_another_key(bundle: Path, keys: Path, others: Path, tmp_path: Path) -> None:
    with pytest.raises(edgeser.SignatureError, match=r"is signed by the key [0-9a-f]{16}, not by"):
        edgeser.load(bundle, key=others / "public.pem")
    ring = tmp_path / "both.pem"  # as while keys are changed
    ring.write_bytes((others / "public.pem").read_bytes() + (keys / "public.pem").read_bytes())
    assert edgeser.load(bundle, key=ring)


def test_who_signed_is_not_believed_from_the_file(bundle: Path, keys: Path, others: Path) -> None:
    mine = signature_path(bundle).read_text().splitlines()
    sign(bundle, others / "private.pem")
    theirs = signature_path(bundle).read_text().splitlines()
    signature_path(bundle).write_text("\n".join([*theirs[:3], mine[3], theirs[4]]) + "\n")
    with pytest.raises(edgeser.SignatureError, match="the signature is invalid"):
        edgeser.load(bundle, key=keys / "public.pem")


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_changed_signature(bundle: Path, keys: Path, line: int) -> None:
    file = signature_path(bundle)
    lines = file.read_text().splitlines()
    lines[line] = lines[line][:-1] + ("0" if lines[line][-1] != "0" else "1")
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(edgeser.SignatureError, match="the signature is invalid"):
        edgeser.load(bundle, key=keys / "public.pem")


@pytest.mark.parametrize("text", [b"", b"\n", b"edgeser signature 2\n", bytes(500), b"x" * 70_000])
def test_what_is_no_signature(bundle: Path, keys: Path, text: bytes) -> None:
    signature_path(bundle).write_bytes(text)
    with pytest.raises(edgeser.SignatureError, match=r"not a signature by edgeser|more than"):
        edgeser.load(bundle, key=keys / "public.pem")
    whole_file = sign(bundle, keys / "private.pem").read_bytes()
    signature_path(bundle).write_bytes(whole_file + b"more\n")
    with pytest.raises(edgeser.SignatureError, match="not a signature by edgeser"):
        edgeser.load(bundle, key=keys / "public.pem")


def test_a_changed_bundle(bundle: Path, keys: Path, toy_path: Path) -> None:
    shutil.copy(toy_path, bundle)  # whole, and another
    with pytest.raises(edgeser.SignatureError, match="is not the bundle that was signed"):
        edgeser.load(bundle, key=keys / "public.pem")


def test_changed_kernels(bundle: Path, keys: Path) -> None:
    key, folder = keys / "public.pem", bundle.with_suffix(".kernels")
    assert verify(bundle, key).kernels is not None
    name = next(p.name for p in sorted(folder.iterdir()) if p.name != INDEX)
    before = (folder / name).read_bytes()
    _damage(folder / name)
    with pytest.raises(edgeser.BackendError, match="damaged or altered"):
        verify(bundle, key)
    (folder / name).write_bytes(before)
    index = folder / INDEX
    index.write_text(index.read_text() + "\n")
    with pytest.raises(edgeser.SignatureError, match="the kernels were changed later"):
        verify(bundle, key)
    shutil.rmtree(folder)
    with pytest.raises(edgeser.BackendError, match="no such file"):
        verify(bundle, key)


@pytest.mark.parametrize("backend", ["cuda", "auto"])
def test_kernels_that_were_not_signed_are_not_given_to_a_gpu(
    bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, backend: edgeser.Backend
) -> None:
    class Gpu:
        name = "stand-in"

    monkeypatch.setattr(factory, "CudaDevice", Gpu)
    key, folder = keys / "public.pem", bundle.with_suffix(".kernels")
    shutil.move(folder, folder.with_suffix(".away"))
    sign(bundle, keys / "private.pem")
    shutil.move(folder.with_suffix(".away"), folder)
    with pytest.raises(edgeser.SignatureError, match="covers no kernels: they were added later"):
        edgeser.load(bundle, backend=backend, key=key)
    sign(bundle, keys / "private.pem")
    (folder / INDEX).write_text((folder / INDEX).read_text() + "\n")
    with pytest.raises(edgeser.SignatureError, match="the kernels were changed later"):
        edgeser.load(bundle, backend=backend, key=key)
    elsewhere = bundle.with_name("elsewhere")
    shutil.copytree(folder, elsewhere)
    with pytest.raises(edgeser.SignatureError, match="the kernels were changed later"):
        edgeser.load(bundle, backend=backend, key=key, kernels=elsewhere)


def test_what_is_no_key(bundle: Path, keys: Path, tmp_path: Path) -> None:
    curve = _write(tmp_path / "curve", ec.generate_private_key(ec.SECP256R1()))
    text = tmp_path / "text"
    text.write_text("not a key")
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
        )
    )
    for key, said in (
        (curve / "public.pem", "is not an Ed25519 key"),
        (text, "is not a public key in PEM"),
        (keys / "private.pem", "a private key, which must not be on a device"),
        (tmp_path / "none", "cannot be read"),
        (tmp_path, "not a regular file"),
        (b"short", "32 bytes, and this one 5"),
        (5, "a path or 32 bytes, not int"),
    ):
        with pytest.raises(edgeser.SignatureError, match=said):
            verify(bundle, key)  # type: ignore[arg-type]
    for private, said in (
        (curve / "private.pem", "is not an Ed25519 key"),
        (text, "is not a private key in PEM"),
        (locked, "has a password"),
        (keys / "public.pem", "is not a private key"),
    ):
        with pytest.raises(edgeser.SignatureError, match=said):
            sign(bundle, private)


@pytest.mark.parametrize("path", ["", ".", "/", b"m.edgeser", 5])
def test_what_is_no_bundle(path: object, keys: Path) -> None:
    with pytest.raises(edgeser.SignatureError, match=r"no file|no plain file|not by (bytes|int)"):
        verify(path, keys / "public.pem")  # type: ignore[arg-type]
    with pytest.raises(edgeser.SignatureError, match=r"no file|no plain file|not by (bytes|int)"):
        sign(path, keys / "private.pem")  # type: ignore[arg-type]
    with pytest.raises(edgeser.BundleError):
        edgeser.load(path, key=keys / "public.pem")  # type: ignore[arg-type]


@pytest.mark.slow  # starts many programs
def test_on_the_command_line(bundle: Path, keys: Path, others: Path) -> None:
    signature_path(bundle).unlink()
    done = run("verify", bundle, "--key", keys / "public.pem")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not signed" in done.stderr
    done = run("sign", bundle, "--key", keys / "private.pem")
    assert (done.returncode, done.stdout) == (0, f"{signature_path(bundle)}\n"), done.stderr
    done = run("verify", bundle, "--key", keys / "public.pem")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the bundle and its kernels" in done.stdout
    for command in ("listen", "serve"):
        done = run(command, "--model", bundle, "--signed-by", others / "public.pem")
        assert done.returncode == 1
        assert "is signed by the key" in done.stderr
        assert len(done.stderr.splitlines()) == 1
