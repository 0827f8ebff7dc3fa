"""Sources of the token; an empty one is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from edgeser.cli.secret import secret


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGESER_TOKEN", raising=False)


def test_it_comes_from_an_option_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("of a file\nnot this\n")
    assert secret(None, None) is None
    assert secret("given", None) == "given"
    assert secret(None, file) == "of a file"
    monkeypatch.setattr(sys, "stdin", io.StringIO("piped\n"))
    assert secret(None, Path("-")) == "piped"
    monkeypatch.setenv("EDGESER_TOKEN", "set")
    assert secret(None, None) == "set"
    assert secret("given", None) == "given"


def test_an_empty_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for token, file in (("", None), (" ", None), (None, empty)):
        with pytest.raises(typer.BadParameter, match="would admit everybody"):
            secret(token, file)
    monkeypatch.setenv("EDGESER_TOKEN", "")
    with pytest.raises(typer.BadParameter, match="EDGESER_TOKEN is empty"):
        secret(None, None)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="No such file"):
        secret(None, tmp_path / "none")
    with pytest.raises(typer.BadParameter, match="cannot be read"):
        secret(None, tmp_path / "no\0ne")
    with pytest.raises(typer.BadParameter, match="not both"):
        secret("a", tmp_path / "none")


def test_a_long_one_is_not_cut(tmp_path: Path) -> None:
    """Otherwise a half of the token would be enough."""
    file = tmp_path / "token"
    file.write_text("x" * 4096)
    assert secret(None, file) == "x" * 4096
    for text in ("x" * 4097, "x" * 10_000):
        file.write_text(text)
        with pytest.raises(typer.BadParameter, match="more than 4096 characters"):
            secret(None, file)
    with pytest.raises(typer.BadParameter, match="more than 4096 characters"):
        secret(None, Path("/dev/zero"))


def test_one_that_no_request_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python decodes bytes of arguments and variables that are not UTF-8 to surrogates."""
    with pytest.raises(typer.BadParameter, match="--token is not UTF-8"):
        secret("s3cr\udcffet", None)
    monkeypatch.setenv("EDGESER_TOKEN", "s3cr\udcffet")
    with pytest.raises(typer.BadParameter, match="EDGESER_TOKEN is not UTF-8"):
        secret(None, None)


PROGRAM = """
import sys
from edgeser.cli.secret import secret
secret('s3cret-s3cret', None)
sys.stdout.buffer.write(open('/proc/self/cmdline', 'rb').read())
"""


def seen(*given: str) -> list[bytes]:
    """The arguments after the program, as other users see them."""
    command = [sys.executable, "-c", PROGRAM, *given]
    listed = subprocess.run(command, capture_output=True, check=True).stdout
    *_, listed = listed.partition(PROGRAM.encode() + b"\0")
    return listed.removesuffix(b"\0").split(b"\0")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ps reads /proc on Linux only")
@pytest.mark.parametrize("given", [["--token", "s3cret-s3cret"], ["--token=s3cret-s3cret"]])
def test_an_option_is_not_to_be_seen_in_the_list_of_processes(given: list[str]) -> None:
    program = (
        "import sys; from edgeser.cli.secret import secret; secret('s3cret-s3cret', None); "
        "sys.stdout.buffer.write(open('/proc/self/cmdline', 'rb').read())"
    )
    command = [sys.executable, "-c", program, *given, "--port", "1"]
    seen = subprocess.run(command, capture_output=True, check=True).stdout
    arguments = seen.split(b"\0")
    assert b"s3cret-s3cret" not in arguments
    assert arguments[-2] in {b"x" * 13, b"--port", b"1"}
    assert b"x" * 13 in seen


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ps reads /proc on Linux only")
def test_every_one_that_was_given_is_hidden_and_nothing_else() -> None:
    x = b"x" * 13
    assert seen("--token", "first-s3cret1", "--token=s3cret-s3cret") == [
        *(b"--token", x, b"--token=" + x)
    ]
    # The same words elsewhere stay.
    assert seen("serve", "--title", "s3cret-s3cret", "--token", "s3cret-s3cret", "--port", "1") == [
        *(b"serve", b"--title", b"s3cret-s3cret", b"--token", x, b"--port", b"1")
    ]
    assert seen("serve", "--token", "serve", "--token-file", "x") == [
        *(b"serve", b"--token", b"xxxxx", b"--token-file", b"x")
    ]
