"""Messages between the supervisor and a worker: lines of JSON over a pair of sockets.

The sockets also tell each side when the other process ends, whatever the cause.
"""

from __future__ import annotations

import json
import pickle
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgeser.serve.config import ServeConfig

MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker needs to start."""

    config: ServeConfig
    verbose: bool
    """Whether it logs its actions."""
    row: int
    """Its row on the board."""
    board: int
    """File descriptor of the board's memory."""
    listening: int
    """File descriptor of the listening socket."""


def send_order(channel: socket.socket, order: Order) -> None:
    """Sends a worker its order. Raises PicklingError or AttributeError if it cannot be pickled."""
    content = pickle.dumps(order)
    channel.sendall(len(content).to_bytes(4, "big") + content)


def receive_order(channel: socket.socket) -> Order:
    """Receives the order from the supervisor, which started this process."""
    size = int.from_bytes(_exactly(channel, 4), "big")
    order: Order = pickle.loads(_exactly(channel, size))  # noqa: S301  from our own parent process
    return order


def tell(channel: socket.socket, **said: Any) -> None:
    """Sends a message to the supervisor."""
    channel.sendall(json.dumps(said).encode() + b"\n")


class Lines:
    """Splits a worker's bytes into messages."""

    def __init__(self) -> None:
        self._kept = b""

    def of(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that these bytes complete."""
        *lines, self._kept = (self._kept + data[:MOST_BYTES]).split(b"\n")
        yield from map(json.loads, lines)


def _exactly(channel: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        if not (part := channel.recv(size - len(content))):
            raise EOFError("the supervisor is gone")
        content += part
    return content
