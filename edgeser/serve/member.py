"""One of a server's worker processes; started by the supervisor with a channel's HANDLE.

It ends like a server with a single process does, and also when its supervisor ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

from edgeser.errors import EdgeserError
from edgeser.serve.board import Board, Place
from edgeser.serve.channel import receive_order, tell
from edgeser.serve.quiet import bounded
from edgeser.serve.server import serve_here
from edgeser.serve.signals import Ended, Signals


def main(handle: int) -> int:
    """Serves as the supervisor orders; returns the exit status."""
    with (
        socket.socket(fileno=handle) as channel,
        contextlib.suppress(Ended, KeyboardInterrupt),  # a service manager may send SIGINT to all
        Signals() as signals,
        bounded(),
    ):
        try:
            _serve(channel, signals)
        except EdgeserError as problem:
            with contextlib.suppress(OSError):
                tell(channel, error=type(problem).__name__, message=str(problem))
            return 1
    return 0


def _serve(channel: socket.socket, signals: Signals) -> None:
    order = receive_order(channel)
    log = logging.getLogger("edgeser")
    logging.basicConfig(format=f"edgeser worker {order.row + 1}: %(message)s")
    if order.verbose:
        log.setLevel(logging.DEBUG)
    threading.Thread(target=_end_with, args=(channel,), daemon=True).start()
    board = Board(order.config.workers, order.config.limits.connections, order.board)
    place = Place(board, order.row)
    serve_here(
        order.config,
        lambda: socket.socket(fileno=order.listening),
        lambda _: tell(channel, serving=True),
        _progress(channel),
        signals,
        place,
    )


def _progress(channel: socket.socket) -> Callable[[float], object]:
    return lambda share: tell(channel, progress=share)


def _end_with(channel: socket.socket) -> None:
    """Ends when the channel is readable: the supervisor sends nothing more, so it has ended."""
    with contextlib.suppress(OSError):
        channel.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
