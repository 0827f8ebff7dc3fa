"""What the supervisor and a worker tell each other: lines of JSON over a pair of sockets.

The pair also tells either of them that the other is gone, however it went.
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
    """What a worker is begun with."""

    config: ServeConfig
    verbose: bool
    """Whether it logs what it does."""
    row: int
    """Its own, of the board."""
    board: int
    """The handle of the board's memory."""
    listening: int
    """The handle of the socket at which clients arrive."""


def send_order(channel: socket.socket, order: Order) -> None:
    """Tell a worker what to do. Raises pickle.PicklingError or AttributeError if that cannot be."""
    content = pickle.dumps(order)
    channel.sendall(len(content).to_bytes(4, "big") + content)


def receive_order(channel: socket.socket) -> Order:
    """What the supervisor, which began this process, told it."""
    size = int.from_bytes(_exactly(channel, 4), "big")
    order: Order = pickle.loads(_exactly(channel, size))  # noqa: S301  of our own parent
    return order


def tell(channel: socket.socket, **said: Any) -> None:
    """Say something to the supervisor."""
    channel.sendall(json.dumps(said).encode() + b"\n")


class Lines:
    """What a worker says, as far as it came."""

    def __init__(self) -> None:
        self._kept = b""

    def of(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The lines that these bytes complete."""
        *lines, self._kept = (self._kept + data[:MOST_BYTES]).split(b"\n")
        yield from map(json.loads, lines)


def _exactly(channel: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        if not (part := channel.recv(size - len(content))):
            raise EOFError("the supervisor is gone")
        content += part
    return content
