"""How commands print."""

from __future__ import annotations

from rich.console import Console

_WIDE = 160  # columns where nobody said how many there are: a pipe, a file


def table_console() -> Console:
    """For tables: as wide as the terminal, and in a pipe wide enough to break no hash in two."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    return console
