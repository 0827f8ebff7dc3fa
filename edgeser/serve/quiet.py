"""Logs that nobody from outside can fill."""

from __future__ import annotations

import logging
import re
import time

LINES, SECONDS = 20, 60.0
"""So many lines of one logger in so long."""
LOGGERS = (
    "uvicorn.error",
    "asyncio",
    "edgeser.serve.door",
    "edgeser.serve.hub",
    "edgeser.serve.server",
    "edgeser.serve.supervisor",
)
_TOKEN = re.compile(r"(token=)[^&\s\"']+", re.IGNORECASE)


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
        said = record.getMessage()
        record.msg, record.args = _TOKEN.sub(r"\1...", said), ()
        if self._left_out:
            record.msg += f" ({self._left_out} lines before this one were left out)"
            self._left_out = 0
        return True


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
