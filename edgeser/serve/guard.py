"""Middleware around every HTTP request: checks the Host header, limits the rate, answers errors."""

from __future__ import annotations

import asyncio
import logging

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from edgeser.serve.access import Access
from edgeser.serve.budget import Budget
from edgeser.serve.config import Limits
from edgeser.serve.conversation import deny

STREAM, HEALTH = "/v1/stream", "/healthz"
ANSWERS_A_SECOND, ANSWERS_AT_ONCE = 100, 500
"""Limit of HTTP requests, except for health; further ones are told to come back later."""
BEGUN_A_SECOND, BEGUN_AT_ONCE, LONGEST_WAIT = (100, 400), (100, 500), 2.0
"""Rate of new clients, if few are allowed and if many are, and how long one waits for its turn.
Each takes 2 ms of everybody's time; and all that were disconnected should be back in 4 s."""
log = logging.getLogger(__name__)


class Guard:
    """ASGI middleware. Each HTTP request has its own connection, which closes after the answer."""

    def __init__(self, app: ASGIApp, access: Access, limits: Limits) -> None:
        self._app, self._access = app, access
        self._answers = Budget(ANSWERS_A_SECOND, ANSWERS_AT_ONCE)
        self._clients = Budget(
            _within(BEGUN_A_SECOND, limits.connections / 4),
            _within(BEGUN_AT_ONCE, limits.connections),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes the request on."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        wrong, status = self._access.wrong_host(Headers(scope=scope)), 403
        if wrong is None and scope["path"] != STREAM:
            wrong, status = f"there is no WebSocket here: connect to {STREAM}", 404
        if wrong is None and self._clients.take(0) > LONGEST_WAIT:
            wrong, status = "too many connections at once: try again", 503
        if wrong is None:
            await asyncio.sleep(self._clients.take(1))
            await self._app(scope, receive, send)
        else:
            await deny(WebSocket(scope, receive, send), wrong, status)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_once(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                kept = [pair for pair in message.get("headers", []) if pair[0] != b"connection"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        wrong = self._access.wrong_host(Headers(scope=scope))
        if wrong is not None:
            await PlainTextResponse(wrong, 403)(scope, receive, send_once)
            return
        if scope["path"] != HEALTH and not self._answers.may_take(1):
            busy = PlainTextResponse("too many requests: try again", 503, {"Retry-After": "1"})
            await busy(scope, receive, send_once)
            return
        try:
            await self._app(scope, receive, send_once)
        except (OSError, ValueError) as odd:  # a path that the file system refuses
            if begun:
                raise
            log.debug("an odd request: %s", odd)
            await PlainTextResponse("Not Found", 404)(scope, receive, send_once)


def _within(bounds: tuple[int, int], value: float) -> float:
    low, high = bounds
    return min(max(low, value), high)
