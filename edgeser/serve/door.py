"""Admission: limits the number of connections, in total and per address, and their waiting time.

A connection *waits* while it is not a client: its request is incomplete, its TLS handshake runs, or
it is being answered. The number of waiting connections is limited: one more closes the one that
waited longest, of the address with the most waiting ones. So clients that send complete requests
are served while others hold theirs back, and every waiting connection has a deadline.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edgeser.errors import ServeError
from edgeser.serve.board import VISITORS, WAITING, Board, Place
from edgeser.serve.budget import Budget
from edgeser.serve.config import Limits

OPENED_A_SECOND, OPENED_AT_ONCE = 400, 500
"""Rate of accepting connections; others wait in the system's queue."""
QUEUE = 256
"""Length of the system's queue. It empties in less than a second, even in a flood."""
OTHER_FILES = 64
"""Files that a server opens besides its connections."""
log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Visitor:
    """One connection."""

    peer: tuple[str, int]
    group: str
    transport: asyncio.Transport | None = None
    opening: asyncio.Task[None] | None = None
    deadline: asyncio.TimerHandle | None = None

    def drop(self) -> None:
        """Closes the connection at once."""
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()


class Door:
    """Accepts connections. Threads: the event loop's.

    ``place`` is this process's row on the board; None if there is only one process.
    """

    def __init__(self, limits: Limits, place: Place | None = None) -> None:
        self._limits = limits
        self._place = place or Place(Board(1, 1), 0)
        self._visitors: dict[tuple[str, int], Visitor] = {}
        self._waiting: dict[str, dict[Visitor, None]] = {}
        self._pace = Budget(OPENED_A_SECOND, OPENED_AT_ONCE)
        self._accepting: asyncio.Task[None] | None = None
        self.pushed_out = 0
        """Waiting connections that were closed to make room, so far."""

    @property
    def waiting(self) -> int:
        """Connections that are not clients."""
        return sum(map(len, self._waiting.values()))

    def open(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Starts to accept connections."""
        listening.setblocking(False)
        run = self._run(listening, protocol, tls)
        self._accepting = asyncio.get_running_loop().create_task(run)

    async def close(self) -> None:
        """Stops accepting connections."""
        if self._accepting is not None:
            self._accepting.cancel()
            with suppress(asyncio.CancelledError):
                await self._accepting

    def entered(self, transport: asyncio.Transport) -> None:
        """Registers a connection that is open, after the TLS handshake if there is one."""
        if (visitor := self._visitors.get(_peer(transport))) is not None:
            visitor.transport = transport

    def left(self, transport: asyncio.Transport) -> None:
        """Forgets a connection that ended."""
        if (visitor := self._visitors.get(_peer(transport))) is not None:
            self._forget(visitor)

    def seat(self, peer: tuple[str, int] | None) -> None:
        """A connection became a client, so it no longer waits."""
        if peer is not None and (visitor := self._visitors.get(peer)) is not None:
            self._stop_waiting(visitor)

    def see_off(self, peer: tuple[str, int] | None) -> None:
        """A client ended. Its connection has a deadline again, to receive the last events."""
        if peer is not None and (visitor := self._visitors.get(peer)) is not None:
            self._wait(visitor)

    async def _run(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._pace.take(0))  # lets other tasks run, even for 0 s
            try:
                connection, address = await self._accept(listening)
            except BlockingIOError:
                continue  # another process accepted it
            except OSError as problem:  # the peer closed it, or too many files are open
                log.warning("cannot accept a connection: %s", problem)
                self._make_room(0)
                await asyncio.sleep(0.1)
                continue
            self._pace.take(1)
            peer = (str(address[0]), int(address[1]))
            self._make_room(self._limits.waiting - 1)
            visitor = self._visitors[peer] = Visitor(peer, group_of(peer[0]))
            self._wait(visitor)
            visitor.opening = loop.create_task(self._enter(visitor, connection, protocol, tls))

    async def _accept(self, listening: socket.socket) -> tuple[socket.socket, Any]:
        """Accepts the next connection; among processes, the one with the fewest connections does.

        Raises BlockingIOError if another process accepted it.
        """
        loop = asyncio.get_running_loop()
        if self._place.alone:
            return await loop.sock_accept(listening)
        somebody = asyncio.Event()
        loop.add_reader(listening, somebody.set)
        try:
            await somebody.wait()
        finally:
            loop.remove_reader(listening)
        if (patience := self._place.patience()) > 0:
            await asyncio.sleep(patience)
        return listening.accept()

    async def _enter(
        self,
        visitor: Visitor,
        connection: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        patience = self._limits.handshake_seconds if tls is not None else None
        try:
            await loop.connect_accepted_socket(
                protocol, connection, ssl=tls, ssl_handshake_timeout=patience
            )
        except (OSError, asyncio.CancelledError):  # includes ssl.SSLError: no TLS, or too late
            connection.close()
            self._forget(visitor)
        finally:
            visitor.opening = None

    def _wait(self, visitor: Visitor) -> None:
        self._stop_waiting(visitor)
        self._waiting.setdefault(visitor.group, {})[visitor] = None
        loop = asyncio.get_running_loop()
        visitor.deadline = loop.call_later(self._limits.handshake_seconds, visitor.drop)
        self._count()

    def _stop_waiting(self, visitor: Visitor) -> None:
        if visitor.deadline is not None:
            visitor.deadline.cancel()
            visitor.deadline = None
        if (group := self._waiting.get(visitor.group)) is not None:
            group.pop(visitor, None)
            if not group:
                del self._waiting[visitor.group]
        self._count()

    def _count(self) -> None:
        cells = self._place.cells
        cells[VISITORS], cells[WAITING] = len(self._visitors), self.waiting

    def _make_room(self, most: int) -> None:
        """If more than ``most`` wait, closes the oldest one of the greediest address."""
        if self.waiting > most:
            greediest = max(self._waiting.values(), key=len)
            visitor = next(iter(greediest))
            self._forget(visitor)
            visitor.drop()
            self.pushed_out += 1

    def _forget(self, visitor: Visitor) -> None:
        self._stop_waiting(visitor)
        if self._visitors.get(visitor.peer) is visitor:
            del self._visitors[visitor.peer]
            self._count()


def group_of(host: str) -> str:
    """Groups addresses for the limits: an IPv4 address, or the /64 of an IPv6 subscriber."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def allow_files(limits: Limits) -> None:
    """Checks that the process may open as many files as its limits can require.

    Raises:
        ServeError: it may not.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    needed = limits.connections + limits.waiting + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ServeError(
            f"{limits.connections} connections take {needed} open files and the system allows "
            f"{hard}: allow more (ulimit -n, or LimitNOFILE= of systemd), or give --connections "
            f"{max(1, hard - limits.waiting - OTHER_FILES)}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    name = transport.get_extra_info("peername") or ("", 0)
    return str(name[0]), int(name[1])
