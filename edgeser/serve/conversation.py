"""One client's connection, from its request to its close."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from edgeser.errors import AudioError
from edgeser.serve.access import Access
from edgeser.serve.client import Client
from edgeser.serve.door import Door
from edgeser.serve.ear import SHORT_CUT, Ear, ShortCut
from edgeser.serve.encoding import encode_json
from edgeser.serve.hub import Hub
from edgeser.serve.protocol import AudioFormat, Wanted, error, parameters, ready

TRY_AGAIN, BAD_REQUEST, TOO_SLOW, GOING = 1013, 1008, 1013, 1001
LONGEST_TEXT = 1024
"""Limit in characters of a text message; the only valid one has 15."""


async def converse(connection: WebSocket, hub: Hub, access: Access, door: Door) -> None:
    """Serves one connection, if access is allowed."""
    refusal = access.wrong_page(connection.headers)
    if not access.knows_token(connection.query_params.get("token"), connection.headers):
        refusal = "the token is missing or wrong: send ?token= or Authorization: Bearer"
    if refusal is not None:
        hub.metrics.refused.inc()
        await deny(connection, refusal, 403)
        return
    await connection.accept()
    hub.sockets += 1
    try:
        await _talk(connection, hub, door)
    except WebSocketDisconnect:
        pass  # it left before it was refused
    finally:
        hub.sockets -= 1


async def deny(connection: WebSocket, why: str, status: int) -> None:
    """Refuses a request for a WebSocket, with a status and one line with the reason."""
    try:
        await connection.send_denial_response(PlainTextResponse(why, status))
    except RuntimeError:  # servers without this extension answer 403
        await connection.close(BAD_REQUEST)


async def _talk(connection: WebSocket, hub: Hub, door: Door) -> None:
    """Serves a connection that was accepted."""
    peer = None if connection.client is None else (connection.client.host, connection.client.port)
    short_cut = _short_cut(connection)
    try:
        query = parameters(connection.query_params.multi_items())
        audio = AudioFormat.of(query)
        client = await hub.join(
            audio,
            peer[0] if peer else "",
            Wanted.of(query),
            lambda: short_cut is None or not short_cut.gone,
        )
    except AudioError as problem:
        await _refuse(connection, "format", str(problem), BAD_REQUEST)
        return
    if client is None:
        await _refuse(connection, "busy", "too many connections: try again later", TRY_AGAIN)
        return
    door.seat(peer)
    try:
        await _exchange(connection, client, hub)
    finally:
        hub.leave(client)
        door.see_off(peer)


async def _exchange(connection: WebSocket, client: Client, hub: Hub) -> None:
    """Receives audio and sends events until one side ends the connection."""
    hello = ready(hub.model, client.audio, client.utterances.speech_threshold)
    await connection.send_json(hello)
    if (short_cut := _short_cut(connection)) is not None:
        client.outlet = short_cut.tell
    sending = asyncio.create_task(_send(connection, client))
    receiving = asyncio.create_task(_receive(connection, client, hub))
    overrun = asyncio.create_task(client.overrun.wait())
    idle = asyncio.create_task(_become_idle(client))
    tasks, code = (sending, receiving, overrun, idle), 1000
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        still_there = idle.done() or (receiving.done() and receiving.result())
        if still_there and not sending.done():
            # The last events, unless the client does not read.
            await asyncio.wait((sending, overrun), return_when=asyncio.FIRST_COMPLETED)
        if overrun.done():
            code = TOO_SLOW
    finally:
        client.outlet = lambda _: False  # in no cycle: its stream is freed as soon as it leaves
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _say_goodbye(connection, GOING if hub.closing else code)


async def _say_goodbye(connection: WebSocket, code: int) -> None:
    """Closes; a client that left events unread gets the reason, if it reads at last."""

    async def say() -> None:
        if code == TOO_SLOW:
            unread = error("slow", "events were left unread: read them as they come")
            await connection.send_json(unread)
        await connection.close(code)

    with contextlib.suppress(RuntimeError, WebSocketDisconnect, asyncio.TimeoutError):
        await asyncio.wait_for(say(), 1.0)


async def _receive(connection: WebSocket, client: Client, hub: Hub) -> bool:
    """Takes audio until the client ends it; returns whether the client waits for the rest."""
    ear, short_cut = Ear(client, hub.wake, hub.metrics.gap), _short_cut(connection)
    while not client.ending:
        if short_cut is not None and short_cut.listen(ear):
            short_cut = None  # from here on messages arrive here; the next one ends the audio
        client.awaited_since = time.monotonic()
        message = await connection.receive()
        client.awaited_since = None
        if message["type"] == "websocket.disconnect":
            return False
        content = message.get("bytes")
        if content is not None:
            ahead = ear.take(content)
            if ahead > 0 or not client.heard.is_set():
                await ear.rest(ahead)
        elif _is_end(message.get("text") or ""):
            await ear.rest(ear.owed)  # it may have arrived together with the last audio
            break
        else:
            client.fail("audio", 'the only text message is {"type": "end"}; audio is binary')
    client.ending, client.awaited_since = True, None
    hub.wake()
    return True


def _short_cut(connection: WebSocket) -> ShortCut | None:
    found: ShortCut | None = connection.scope.get("extensions", {}).get(SHORT_CUT)
    return found


async def _become_idle(client: Client) -> None:
    """Waits until the client was idle for too long, and tells it.

    One task that wakes rarely is cheaper than a deadline for each message.
    """
    patience = client.limits.idle_seconds
    while True:
        since = client.awaited_since
        rest = patience if since is None else since + patience - time.monotonic()
        if rest <= 0:
            client.fail("idle", f"nothing came for {patience:g} s")
            return
        await asyncio.sleep(rest)


async def _send(connection: WebSocket, client: Client) -> None:
    """Sends the events that could not be sent immediately, until the last."""
    while (event := await client.events.get()) is not None:
        if isinstance(event, bytes):
            await connection.send_bytes(event)
        else:
            await connection.send_text(encode_json(event))
        client.unsent -= 1


async def _refuse(connection: WebSocket, code: str, message: str, close: int) -> None:
    await connection.send_json(error(code, message))
    await connection.close(close)


def _is_end(text: str) -> bool:
    if len(text) > LONGEST_TEXT:
        return False
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("type") == "end"
