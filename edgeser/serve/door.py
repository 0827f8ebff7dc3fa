"""The door: how many connections there are, from whom, and how long one may stay without a purpose.

A connection that has not become a client yet, because its request is half sent, its TLS is not
agreed or it is being answered, is *waiting*. So many may wait; one more pushes out the one that has
waited longest, of the address from which most wait. Whoever sends a request as a whole is served
while others hold theirs back, and no connection waits longer than its deadline.
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
"""Connections that are let in; more wait in the system's queue."""
QUEUE = 256
"""Of the system: it passes in less than a second, so that nobody waits long behind a flood."""
OTHER_FILES = 64
"""What a server opens beside its connections."""
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
        """Cut it off, whatever it does."""
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()


class Door:
    """Lets connections in. Threads: the event loop's.

    ``place`` is that of this process among those of the server; None if there are no others.
    """

    def __init__(self, limits: Limits, place: Place | None = None) -> None:
        self._limits = limits
        self._place = place or Place(Board(1, 1), 0)
        self._visitors: dict[tuple[str, int], Visitor] = {}
        self._waiting: dict[str, dict[Visitor, None]] = {}
        self._pace = Budget(OPENED_A_SECOND, OPENED_AT_ONCE)
        self._accepting: asyncio.Task[None] | None = None
        self.pushed_out = 0
        """Connections that were cut off while they waited, so far."""

    @property
    def waiting(self) -> int:
        """Connections that are no clients."""
        return sum(map(len, self._waiting.values()))

    def open(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Begin to let in whoever connects."""
        listening.setblocking(False)
        run = self._run(listening, protocol, tls)
        self._accepting = asyncio.get_running_loop().create_task(run)

    async def close(self) -> None:
        """Let nobody else in."""
        if self._accepting is not None:
            self._accepting.cancel()
            with suppress(asyncio.CancelledError):
                await self._accepting

    def entered(self, transport: asyncio.Transport) -> None:
        """A connection is open, and agreed on TLS if that is asked for."""
        if (visitor := self._visitors.get(_peer(transport))) is not None:
            visitor.transport = transport

    def left(self, transport: asyncio.Transport) -> None:
        """A connection is gone."""
        if (visitor := self._visitors.get(_peer(transport))) is not None:
            self._forget(visitor)

    def seat(self, peer: tuple[str, int] | None) -> None:
        """A connection became a client: it waits no more."""
        if peer is not None and (visitor := self._visitors.get(peer)) is not None:
            self._stop_waiting(visitor)

    def see_off(self, peer: tuple[str, int] | None) -> None:
        """It is a client no more: it may still hear why, and then it has to go."""
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
            await asyncio.sleep(self._pace.take(0))  # others have their turn, also after 0 s
            try:
                connection, address = await self._accept(listening)
            except BlockingIOError:
                continue  # another process had it
            except OSError as problem:  # as one that is gone again, or no file is left
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
        """Whoever connects next; of several processes the one with the fewest connections does.

        Raises BlockingIOError if another did.
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
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is one; no TLS, or too late
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
        """Push out one that waits, if there are more than so many."""
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
    """Addresses that count as one: an IPv4 address, or the /64 that one IPv6 subscriber has."""
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
    """See that the system lets this process open as many files as its limits may take.

    Raises:
        ServeError: it does not.
    """
    try:
        import resource
    except ImportError:  # not on Windows, where there is no such limit
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
