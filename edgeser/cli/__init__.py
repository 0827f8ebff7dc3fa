"""The command line: one file a command. ``exit_codes.py`` says how each may end."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from edgeser.cli import ascii_bars
from edgeser.cli.analyze import analyze
from edgeser.cli.bench import bench
from edgeser.cli.command import is_verbose, register
from edgeser.cli.compile import compile_kernels
from edgeser.cli.demo import demo
from edgeser.cli.doctor import doctor
from edgeser.cli.exit_codes import SUMMARY, ExitCode
from edgeser.cli.export import export
from edgeser.cli.info import info
from edgeser.cli.listen import listen
from edgeser.cli.merge import merge
from edgeser.cli.output import shown
from edgeser.cli.serve import serve
from edgeser.cli.sign import sign, verify
from edgeser.errors import EdgeserError
from edgeser.version import __version__

_OF_WRITING = {errno.ENOSPC, errno.EFBIG, errno.EIO}
_UsageError: Any = typer.BadParameter.__base__  # Typer has no name for it

app = typer.Typer(
    help="Streaming speech emotion recognition for the edge.",
    epilog=SUMMARY,
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
for command in (demo, analyze, merge, listen, serve, bench, export, info, sign, verify, doctor):
    register(app, command)
register(app, compile_kernels, "compile")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgeser {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    del version  # its callback has done the work
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def main() -> None:
    """Run the command line; every error that is no mistake of the program becomes one line."""
    _stand_in_for_closed_streams()
    ascii_bars.register()
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors=ascii_bars.ASCII)
    if "_EDGESER_COMPLETE" in os.environ:
        os.environ["COLUMNS"] = "1000"  # a shell takes each line for one more completion
    warnings.showwarning = _show_warning
    try:
        code = app(prog_name="edgeser", standalone_mode=False)
        sys.stdout.flush()  # while a full disk can still be told
        sys.exit(code)
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "edgeser"
        message = shown(error.format_message().rstrip("."))
        typer.echo(f"{command}: {message} (try {command} --help)", err=True)
        sys.exit(ExitCode.USAGE)
    except EdgeserError as error:
        _fail(str(error))
    except BrokenPipeError:
        _give_up_output()
        sys.exit(ExitCode.FAILED)
    except OSError as error:
        _give_up_output()
        _fail(_said(error))


def _fail(message: str) -> None:
    if is_verbose():
        traceback.print_exc()
    typer.echo(f"edgeser: {shown(message)}", err=True)
    sys.exit(ExitCode.FAILED)


def _stand_in_for_closed_streams() -> None:
    """Where a standard stream was closed (``>&-``) nothing else may get its number.

    Else the next file that is opened is the one that is printed into.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if name != "stdin":  # of which None says that it is closed
                setattr(sys, name, os.fdopen(nowhere, "w"))


def _give_up_output() -> None:
    """What could not be written would be tried again at exit, and fail again."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def _said(error: OSError) -> str:
    """What to say of an error of the system, which may name no file."""
    if error.filename:
        return f"{error.filename}: {error.strerror}"
    if error.errno in _OF_WRITING:  # into a file of ours, it would have a name
        return f"the output cannot be written: {error.strerror}"
    try:
        Path.cwd()
    except OSError:
        return "the current folder is gone: change to another one"
    return str(error)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, file, line
    typer.echo(f"edgeser: {shown(message)}", err=True)
