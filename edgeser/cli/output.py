"""How commands print."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from rich.console import Console
from rich.text import Text

_WIDE = 160  # columns where nobody said how many there are: a pipe, a file
_NOT_FOR_SHOW = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What moves a terminal's cursor, ends a line, turns the writing round, or is no text at all."""


def plain_console() -> Console:
    """For standard output. Text is printed as it is: square brackets and colons mean nothing.

    What a bundle or a file calls itself would else be taken for colours, links and errors.
    """
    return Console(highlight=False, markup=False, emoji=False)


def view_console() -> Console:
    """The same for a view that fills the terminal and is resized with it.

    COLUMNS and LINES have no say: readline exports the size that a terminal had once.
    """
    environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
    return Console(highlight=False, markup=False, emoji=False, _environ=environment)


def table_console() -> Console:
    """For tables: as wide as the terminal, and in a pipe wide enough to break no hash in two."""
    console = plain_console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    return console


def shown(text: object) -> str:
    """Text in one line, without control characters, which a file's name may contain."""
    return _NOT_FOR_SHOW.sub(lambda odd: odd[0].encode("unicode_escape").decode(), str(text))


def words(text: object, style: str = "") -> Text:
    """The same for a table or a console, perhaps in a colour."""
    return Text(shown(text), style)


def as_text(told: Any, *, indent: int | None = 1) -> str:
    """Readable JSON without control characters; without ``indent`` in one line."""
    text = json.dumps(told, indent=indent, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", _escaped, text)


def _escaped(odd: re.Match[str]) -> str:
    return f"\\u{ord(odd[0]):04x}"
