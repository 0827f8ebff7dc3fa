"""Passes one connection's bytes between its transport and uvicorn.

uvicorn parses HTTP and WebSocket. This module adds what uvicorn lacks: it reports connections to
the door, refuses requests that break uvicorn's parsers, and gives each client its turn. A live
voice consists of whole binary messages and frames; they bypass the parser and its tasks.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from edgeser.serve.budget import Budget
from edgeser.serve.client import Message
from edgeser.serve.config import Limits
from edgeser.serve.door import Door
from edgeser.serve.ear import SHORT_CUT, Ear
from edgeser.serve.turns import Turns
from edgeser.serve.whole import framed, whole_messages

MOST_REQUEST_BYTES = 1 << 14
"""Limit of a request's line and headers together."""
MOST_HEADERS = 100
MOST_LINE = 8000
"""Bytes; the limit of websockets is 8192."""
MESSAGES_AT_ONCE = 2.0
"""Burst of messages, in seconds at the allowed rate."""


class Settings(uvicorn.Config):
    """uvicorn's settings, and the objects that all connections of a server share."""

    def __init__(self, app: Any, door: Door, limits: Limits, **options: Any) -> None:
        self.door, self.limits = door, limits
        super().__init__(
            app,
            http=HttpConnection,
            ws=SocketConnection,
            h11_max_incomplete_event_size=MOST_REQUEST_BYTES,
            **options,
        )


class HttpConnection(H11Protocol):
    """A connection that speaks HTTP, until it becomes a WebSocket."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Reports the connection to the door."""
        cast(Settings, self.config).door.entered(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """Reports the end of the connection to the door."""
        cast(Settings, self.config).door.left(self.transport)
        super().connection_lost(exc)


class SocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket, beginning with its request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Puts itself between uvicorn and the transport."""
        limits = self._limits = cast(Settings, self.config).limits
        self._own = cast(asyncio.Transport, transport)
        messages = Budget(limits.messages_a_second, MESSAGES_AT_ONCE * limits.messages_a_second)
        content = Budget(limits.bytes_a_second, max(limits.bytes_a_second, limits.message_bytes))
        self._turns = Turns(self._own, self._turn, messages, content)
        self._asked = False
        self._ear: Ear | None = None
        self._ahead = 0.0
        self._resting: asyncio.Task[None] | None = None
        super().connection_made(_Valve(self._own, self._turns))

    def connection_lost(self, exc: Exception | None) -> None:
        """Reports the end of the connection to the door."""
        cast(Settings, self.config).door.left(self._own)
        self._turns.close()
        self._ear = None  # with its client, which is freed at once
        if self._resting is not None:
            self._resting.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handles the request as a whole first, then frames."""
        if self._asked:
            self._turns.received(data)
            return
        self._asked = True
        if (refusal := _too_much(data)) is None:
            super().data_received(data)
            return
        self._own.write(
            f"HTTP/1.1 {refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
        )
        self._own.close()

    def handle_connect(self, event: Request) -> None:
        """Tells the application about the short cut."""
        super().handle_connect(event)
        if not self.close_sent:
            cast(dict[str, Any], self.scope["extensions"])[SHORT_CUT] = self

    @property
    def gone(self) -> bool:
        """See :class:`edgeser.serve.ear.ShortCut`."""
        return self._own.is_closing()

    def listen(self, ear: Ear) -> bool:
        """See :class:`edgeser.serve.ear.ShortCut`."""
        if not self.queue.empty():
            return False
        self._ear = ear
        return True

    def tell(self, messages: list[Message]) -> bool:
        """See :class:`edgeser.serve.ear.ShortCut`."""
        if self.close_sent or not self.writable.is_set() or self._own.is_closing():
            return False
        self._own.write(b"".join(map(framed, messages)))
        return True

    async def send(self, message: Any) -> None:
        """Sends for the application. After the close frame, reads on, to get the client's own."""
        if not self.handshake_complete and self._own.is_closing():
            raise ClientDisconnected  # the server ends; uvicorn would log an error and a traceback
        await super().send(message)
        if self.close_sent:
            self._ear = None
            if self._resting is not None:
                self._resting.cancel()
            self._turns.go_on()

    def send_receive_event_to_app(self) -> None:
        """Handles a whole message that the parser found."""
        if self.close_sent:
            super().send_receive_event_to_app()
        elif self.curr_msg_data_type == "text":
            self._ear = None  # the end, or an error; what follows is ignored
            # The application answers text that is not UTF-8 like any other unknown text.
            self.frames = [b"".join(self.frames).decode(errors="replace").encode()]
            super().send_receive_event_to_app()
        elif self._ear is None:
            super().send_receive_event_to_app()
        else:
            message, self.frames = b"".join(self.frames), []
            self._ahead = max(self._ahead, self._ear.take(message))

    def _turn(self, data: bytes) -> None:
        """Parses the frames of one turn."""
        ear, messages = self._ear, None
        if ear is not None and self._turns.whole and not self.frames:  # not inside a message
            messages = whole_messages(data, self._limits.message_bytes)
        if ear is None or messages is None:
            super().data_received(data)
        else:
            for message in messages:
                self._ahead = max(self._ahead, ear.take(message))
        if ear is not None and (self._ahead > 0 or not ear.client.heard.is_set()):
            self._rest(ear)

    def _rest(self, ear: Ear) -> None:
        """Reads nothing until the client may send again."""

        async def rest() -> None:
            await ear.rest(ahead)
            self._resting = None
            self._turns.go_on()

        ahead, self._ahead = self._ahead, 0.0
        self._turns.hold()
        if self._resting is None:
            self._resting = self.loop.create_task(rest())


class _Valve(asyncio.Transport):
    """A transport whose pausing is decided by ``Turns``, not by uvicorn."""

    def __init__(self, transport: asyncio.Transport, turns: Turns) -> None:
        super().__init__()
        self._transport, self._turns = transport, turns
        self.write = transport.write  # type: ignore[method-assign]
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]

    def pause_reading(self) -> None:
        self._turns.hold()

    def resume_reading(self) -> None:
        self._turns.go_on()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


def _too_much(request: bytes) -> str | None:
    """The HTTP status for a request that would break the WebSocket parser; None if it is fine."""
    first, *lines = request.split(b"\r\n")
    if len(first) > MOST_LINE:
        return "414 URI Too Long"
    long = len(request) > MOST_REQUEST_BYTES or any(len(line) > MOST_LINE for line in lines)
    if long or len(lines) > MOST_HEADERS:
        return "431 Request Header Fields Too Large"
    return None
