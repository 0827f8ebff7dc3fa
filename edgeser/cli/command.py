"""Common parts of all commands: --verbose, and the exit codes in their help."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from edgeser.cli.exit_codes import SUMMARY
from edgeser.cli.output import shown

log = logging.getLogger("edgeser")

VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Log to standard error, and show tracebacks of errors.",
    ),
]


def register(app: typer.Typer, command: Callable[..., None], name: str | None = None) -> None:
    """Add a command to the application; None names it as the function."""
    kinds = get_type_hints(command, include_extras=True)
    verbose = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False)
    parameters = [*inspect.signature(command).parameters.values(), verbose]

    @functools.wraps(command)
    def run(*, verbose: bool, **options: Any) -> None:
        log_to_standard_error()
        if verbose:
            log.setLevel(logging.DEBUG)
        command(**options)

    run.__annotations__ = {**kinds, "verbose": VerboseOption}
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(annotation=run.__annotations__[p.name]) for p in parameters]
    )
    app.command(name, epilog=SUMMARY)(run)


class _OneLine(logging.Formatter):
    """One-line messages, with file names escaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return shown(super().formatMessage(record))


def log_to_standard_error() -> None:
    """Let warnings be seen."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("edgeser: %(message)s"))
    logging.basicConfig(handlers=[handler])


def is_verbose() -> bool:
    """Whether the command line asked for it."""
    return log.isEnabledFor(logging.DEBUG)
