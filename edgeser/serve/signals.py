"""Handles the signals that end a server."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Protocol


class Ending(Protocol):
    """A server that checks ``should_exit`` regularly, as uvicorn's does."""

    should_exit: bool
    force_exit: bool


class Ended(Exception):  # noqa: N818  not an error
    """A signal asked the process to end before it served."""


class Signals:
    """Ctrl-C, SIGTERM and SIGHUP end the server at any time.

    Before it serves, they raise an exception. Then the first one ends the server gracefully, and
    the second one immediately. After Ctrl-C, KeyboardInterrupt is raised once more at the end, for
    the calling program.
    """

    NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

    def __init__(self) -> None:
        self.server: Ending | None = None
        self._before: dict[int, Any] = {}
        self._interrupted = False

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for name in self.NAMES:
                number = getattr(signal, name, None)
                # Under nohup, SIGHUP stays ignored.
                if number is None:
                    continue
                if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None and self._interrupted:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.server is None:
            raise KeyboardInterrupt if number == signal.SIGINT else Ended
        self._interrupted |= number == signal.SIGINT
        if self.server.should_exit:
            self.server.force_exit = True
        self.server.should_exit = True
