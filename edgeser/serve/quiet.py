"""Bounded logs: clients cannot fill the disk with log lines."""

from __future__ import annotations

import logging
import re
import time
from urllib.parse import unquote_plus

LINES, SECONDS = 20, 60.0
"""Limit of lines of one logger in so many seconds."""
LOGGERS = (
    "uvicorn.error",
    "uvicorn.access",
    "asyncio",
    "edgeser.serve.door",
    "edgeser.serve.hub",
    "edgeser.serve.server",
    "edgeser.serve.supervisor",
)
_PARAMETER = re.compile(r"""([^\s=&?;/"']{5,15})=([^&\s]+)""")
"""A parameter in a URL. Its value may have quotes. Its name may be percent-encoded, up to three
times as long; the limit on its length keeps the search fast in long lines."""


class Bounded(logging.Filter):
    """A filter that limits the rate of lines and hides tokens.

    Threads: any number.
    """

    def __init__(self, lines: int = LINES, seconds: float = SECONDS) -> None:
        super().__init__()
        self._lines, self._seconds = lines, seconds
        self._since, self._passed, self._left_out = time.monotonic(), 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write a line; the first one after dropped lines says how many were dropped."""
        now = time.monotonic()
        if now - self._since >= self._seconds:
            self._since, self._passed = now, 0
        if self._passed >= self._lines:
            self._left_out += 1
            return False
        self._passed += 1
        if record.name == "uvicorn.access" and isinstance(record.args, tuple):
            # Its formatter needs the arguments separately, and writes nothing else.
            record.args = tuple(hidden(x) if isinstance(x, str) else x for x in record.args)
            return True
        record.msg, record.args = hidden(record.getMessage()), ()
        if self._left_out:
            record.msg += f" ({self._left_out} lines before this one were left out)"
            self._left_out = 0
        return True


def hidden(text: str) -> str:
    """A line without tokens in its URLs, even if the parameter's name is percent-encoded."""

    def hide(parameter: re.Match[str]) -> str:
        name, value = parameter.groups()
        if not unquote_plus(name).lower().endswith("token"):
            return parameter[0]
        last, more = value[-1], text.startswith("&", parameter.end())
        # The URL itself may be in quotes. The line keeps the one that ends it.
        ends = last in "\"'" and not more and text.count(last, 0, parameter.start()) % 2
        return f"{name}=...{last if ends else ''}"

    return _PARAMETER.sub(hide, text)


class bounded:  # noqa: N801  a context manager, used as a function
    """Limits the log lines of the server's loggers within a ``with`` block."""

    def __init__(self) -> None:
        self._filters = {name: Bounded() for name in LOGGERS}

    def __enter__(self) -> None:
        for name, bound in self._filters.items():
            logging.getLogger(name).addFilter(bound)

    def __exit__(self, *_: object) -> None:
        for name, bound in self._filters.items():
            logging.getLogger(name).removeFilter(bound)
