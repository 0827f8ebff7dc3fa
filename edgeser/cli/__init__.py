"""The command line: one file a command.

Exit codes: 0 all is well, 1 something failed (one line on standard error says what), 2 the command
line itself makes no sense.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from edgeser.cli.analyze import analyze
from edgeser.cli.bench import bench
from edgeser.cli.compile import compile_kernels
from edgeser.cli.demo import demo
from edgeser.cli.doctor import doctor
from edgeser.cli.info import info
from edgeser.cli.listen import listen
from edgeser.cli.serve import serve
from edgeser.errors import EdgeserError
from edgeser.version import __version__

app = typer.Typer(
    help="Streaming speech emotion recognition for the edge.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(analyze)
app.command()(listen)
app.command()(serve)
app.command()(bench)
app.command("compile")(compile_kernels)
app.command()(info)
app.command()(doctor)


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
    """Run the command line; every error of edgeser's own becomes one line."""
    try:
        app()
    except EdgeserError as error:
        typer.echo(f"edgeser: {error}", err=True)
        sys.exit(1)
