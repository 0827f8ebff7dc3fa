"""Ctrl-C while a command is imported."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""Exit code of an interrupted command, as in a shell."""


@contextmanager
def ends_at_once() -> Iterator[None]:
    """Within this block Ctrl-C ends the process at once, without a traceback.

    For imports, which have nothing to clean up. KeyboardInterrupt would print a traceback from
    inside a module; or Python drops it, as their locks end with a weakref callback each. Does
    nothing in another thread, or where Ctrl-C is ignored or handled.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
