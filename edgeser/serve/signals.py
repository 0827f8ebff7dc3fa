"""Handles the signals that end a server."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any, Protocol


class Ending(Protocol):
    """A server that checks ``should_exit`` regularly, as uvicorn's does."""

    should_exit: bool
    force_exit: bool


class Ended(BaseException):
    """A signal asked the process to end before it served.

    It is no error: nothing that handles errors may catch it.
    """


class Signals:
    """Ctrl-C, SIGTERM and SIGHUP end the server at any time.

    Before it serves, they raise an exception. Then the first one ends the server gracefully, and
    the second one immediately. After Ctrl-C, KeyboardInterrupt is raised once more at the end, for
    the calling program.

    Python drops what a handler raises inside a weakref callback or a finalizer. So the signal is
    noted, too, and ends the server as soon as there is one.
    """

    NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

    def __init__(self) -> None:
        self._server: Ending | None = None
        self._before: dict[int, Any] = {}
        self._heard = self._interrupted = False
        self._tell_unraisable = sys.unraisablehook

    @property
    def server(self) -> Ending | None:
        """The server that signals end; None before there is one."""
        return self._server

    @server.setter
    def server(self, server: Ending) -> None:
        self._server = server  # first: from here on the handler raises nothing
        if self._heard:
            server.should_exit = True

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._tell_unraisable, sys.unraisablehook = sys.unraisablehook, self._unraisable
            try:
                for name in self.NAMES:
                    number = getattr(signal, name, None)
                    # Under nohup, SIGHUP stays ignored.
                    if number is None:
                        continue
                    before = signal.getsignal(number)
                    if name != "SIGHUP" or before is not signal.SIG_IGN:
                        self._before[number] = before
                        signal.signal(number, self._hear)
            except BaseException:  # a signal came already
                self._restore()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._restore()
        if kind is None and self._interrupted:
            raise KeyboardInterrupt

    def _restore(self) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # of C, which Python cannot install again
                signal.signal(number, handler)
        if sys.unraisablehook == self._unraisable:
            sys.unraisablehook = self._tell_unraisable

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._interrupted |= number == signal.SIGINT
        if self._server is None:
            self._heard = True
            raise KeyboardInterrupt if number == signal.SIGINT else Ended
        if self._server.should_exit:
            self._server.force_exit = True
        self._server.should_exit = True

    def _unraisable(self, dropped: sys.UnraisableHookArgs) -> None:
        """Prints no traceback of a dropped exception that a signal raised."""
        if not (self._heard and isinstance(dropped.exc_value, Ended | KeyboardInterrupt)):
            self._tell_unraisable(dropped)
