"""Bars in ASCII, for outputs whose encoding has no block characters."""

from __future__ import annotations

import codecs

ASCII = "edgeser.ascii"
"""The error handler of an output: a bar becomes ASCII, any other character an escape."""

_BARS = dict(zip("▁▂▃▄▅▆▇█░", ".:-=+*%#.", strict=True))


def register() -> None:
    """Makes :data:`ASCII` known to Python."""
    codecs.register_error(ASCII, _replace)


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    error.end = error.start + 1
    bar = _BARS.get(error.object[error.start])
    return codecs.backslashreplace_errors(error) if bar is None else (bar, error.end)
