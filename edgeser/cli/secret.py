"""Reads secrets for commands, and hides them from other users."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

VARIABLE = "EDGESER_TOKEN"
LONGEST = 4096
"""Characters of a token."""


def secret(token: str | None, file: Path | None) -> str | None:
    """The token of an option, of a file, or of the environment; None if none was given.

    An empty one is refused: an unset secret must not allow everybody.

    Raises:
        typer.BadParameter: there are two, or it is empty or not UTF-8, or the file cannot be read.
    """
    if token is not None and file is not None:
        raise typer.BadParameter("give --token or --token-file, not both")
    if token is not None:
        hide()
        return _checked(token, "--token")
    if file is not None:
        return _checked(_first_line(file), f"--token-file {file}")
    from_environment = os.environ.get(VARIABLE)
    return None if from_environment is None else _checked(from_environment, VARIABLE)


def hide(option: str = "--token") -> None:
    """Overwrites all values of an option where `ps` reads this process's arguments.

    They were visible until this call. Does nothing outside Linux.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        arguments = Path("/proc/self/cmdline").read_bytes()
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5)
        if end - start != len(arguments):
            return
        for at, size in _values(arguments, option.encode()):
            ctypes.memset(start + at, ord("x"), size)
    except (OSError, ValueError, IndexError):
        return


def _values(arguments: bytes, option: bytes) -> Iterator[tuple[int, int]]:
    """Where the values of an option are among arguments that end in NUL, and their sizes."""
    at, is_value = 0, False
    for argument in arguments.split(b"\0"):
        lead = option + b"="
        if is_value:
            yield at, len(argument)
        elif argument.startswith(lead):
            yield at + len(lead), len(argument) - len(lead)
        is_value = argument == option
        at += len(argument) + 1


def _first_line(file: Path) -> str:
    try:
        if str(file) == "-":
            line = sys.stdin.readline(LONGEST + 1)
        else:
            with file.open() as opened:
                line = opened.readline(LONGEST + 1)
    except (OSError, UnicodeDecodeError, ValueError) as problem:  # and a NUL in the path
        why = getattr(problem, "strerror", None) or "it is no text"
        raise typer.BadParameter(f"the token file {file} cannot be read ({why})") from None
    if len(line) > LONGEST:  # the half of it would be another token
        raise typer.BadParameter(f"the token in {file} has more than {LONGEST} characters")
    return line


def _checked(token: str, where: str) -> str:
    token = token.strip()
    if not token:
        raise typer.BadParameter(
            f"{where} is empty, which would admit everybody: fill it in, or remove it"
        )
    try:
        token.encode()
    except UnicodeEncodeError:  # it has bytes that Python could not decode
        raise typer.BadParameter(
            f"{where} is not UTF-8, so that it would match no request: give letters and digits"
        ) from None
    return token
