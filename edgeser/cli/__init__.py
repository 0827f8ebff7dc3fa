"""The command line: one file a command. ``exit_codes.py`` says how each may end."""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import Annotated, TextIO

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

app = typer.Typer(
    help="Streaming speech emotion recognition for the edge.",
    epilog=SUMMARY,
    no_args_is_help=True,
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
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    del version  # its callback has done the work


def main() -> None:
    """Run the command line; every error that is no mistake of the program becomes one line."""
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors="backslashreplace")  # names and bars that it cannot spell
    warnings.showwarning = _show_warning
    try:
        app(prog_name="edgeser")
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
