"""The command line: one file a command. ``exit_codes.py`` says how each may end."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Annotated, Any, TextIO

import typer

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
from edgeser.cli.serve import serve
from edgeser.errors import EdgeserError
from edgeser.version import __version__

_UsageError: Any = typer.BadParameter.__base__  # Typer has no name for it

app = typer.Typer(
    help="Streaming speech emotion recognition for the edge.",
    epilog=SUMMARY,
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
for command in (demo, analyze, listen, serve, bench, export, info, doctor):
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
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors="backslashreplace")  # names and bars that it cannot spell
    if "_EDGESER_COMPLETE" in os.environ:
        os.environ["COLUMNS"] = "1000"  # a shell takes each line for one more completion
    warnings.showwarning = _show_warning
    try:
        sys.exit(app(prog_name="edgeser", standalone_mode=False))
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "edgeser"
        message = error.format_message().rstrip(".")
        typer.echo(f"{command}: {message} (try {command} --help)", err=True)
        sys.exit(ExitCode.USAGE)
    except EdgeserError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _fail(message: str) -> None:
    if is_verbose():
        traceback.print_exc()
    typer.echo(f"edgeser: {message}", err=True)
    sys.exit(ExitCode.FAILED)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, file, line
    typer.echo(f"edgeser: {message}", err=True)
