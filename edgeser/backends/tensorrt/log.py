"""Collects TensorRT's errors, for our messages."""

from __future__ import annotations

from collections import deque
from typing import Any

_KEPT = 3


class Log:
    """Keeps TensorRT's last errors and drops the rest; a library does not print.

    ``logger`` must outlive whatever it was given to.
    """

    def __init__(self, trt: Any) -> None:
        errors: deque[str] = deque(maxlen=_KEPT)

        class Logger(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                if severity <= trt.ILogger.Severity.ERROR:
                    errors.append(message.strip())

        self.logger = Logger()
        self._errors = errors

    def reason(self, error: BaseException | None = None) -> str:
        """Its last errors, and the exception that came of them."""
        own = [] if error is None else [str(error)]
        return "; ".join([*self._errors, *own]) or "it gave no reason"
