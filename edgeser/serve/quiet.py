"""Logs that nobody from outside can fill."""

from __future__ import annotations

import logging
import re
import time
from urllib.parse import unquote_plus

LINES, SECONDS = 20, 60.0
"""So many lines of one logger in so long."""
LOGGERS = (
    "uvicorn.error",
    "uvicorn.access",
    "asyncio",
    "edgeser.serve.door",
    "edgeser.serve.hub",
    "edgeser.serve.server",
    "edgeser.serve.supervisor",
)
_PARAMETER = re.compile(r"""([^\s=&?;/"']{5,15})=([^&\s"']+)""")
"""Of a URL. A name may be written with %s for letters, which makes it three times as long at most;
the bound keeps a long line from taking long."""


class Bounded(logging.Filter):
    """Lets some lines pass, then counts; hides tokens in what it lets pass.

    Threads: as many as log.
    """

    def __init__(self, lines: int = LINES, seconds: float = SECONDS) -> None:
        super().__init__()
        self._lines, self._seconds = lines, seconds
        self._since, self._passed, self._left_out = time.monotonic(), 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written; one that follows others left out says how many."""
        now = time.monotonic()
        if now - self._since >= self._seconds:
            self._since, self._passed = now, 0
        if self._passed >= self._lines:
            self._left_out += 1
            return False
        self._passed += 1
        if record.name == "uvicorn.access" and isinstance(record.args, tuple):
            # Its formatter wants them one by one, and writes nothing else.
            record.args = tuple(hidden(x) if isinstance(x, str) else x for x in record.args)
            return True
        record.msg, record.args = hidden(record.getMessage()), ()
        if self._left_out:
            record.msg += f" ({self._left_out} lines before this one were left out)"
            self._left_out = 0
        return True


def hidden(text: str) -> str:
    """A line without the tokens in its URLs, however the name of the parameter is written."""

    def hide(parameter: re.Match[str]) -> str:
        name = unquote_plus(parameter[1])
        return f"{parameter[1]}=..." if name.lower().endswith("token") else parameter[0]

    return _PARAMETER.sub(hide, text)


class bounded:  # noqa: N801  a context manager, used as a function
    """While this lasts, the server's loggers write a bounded number of lines."""

    def __init__(self) -> None:
        self._filters = {name: Bounded() for name in LOGGERS}

    def __enter__(self) -> None:
        for name, bound in self._filters.items():
            logging.getLogger(name).addFilter(bound)

    def __exit__(self, *_: object) -> None:
        for name, bound in self._filters.items():
            logging.getLogger(name).removeFilter(bound)
