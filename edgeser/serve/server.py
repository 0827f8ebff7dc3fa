"""The web application: the WebSocket, the page, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from edgeser.audio.chunk import to_mono
from edgeser.errors import AudioError, MissingExtraError, ServeError
from edgeser.loading import load
from edgeser.serve.config import ServeConfig

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    from edgeser.serve.assets import page_routes
    from edgeser.serve.hub import Client, Hub
except ImportError as missing:
    raise MissingExtraError(
        f"serving needs {missing.name}: pip install 'edgeser[serve]'"
    ) from missing

from edgeser.serve.protocol import SCHEMA, AudioFormat, error, ready

TRY_AGAIN, BAD_REQUEST, TOO_SLOW, IDLE, GOING = 1013, 1008, 1013, 1001, 1001
GOODBYE_SECONDS = 5
log = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def application(
    config: ServeConfig | None = None, progress: Callable[[float], object] | None = None
) -> Starlette:
    """An ASGI application, for a server of one's own; see :func:`edgeser.serve.serve`.

    ``progress`` is that of :func:`edgeser.load`.
    """
    config = config or ServeConfig()
    model = load(
        config.model, backend=config.backend, precision=config.precision, progress=progress
    )
    if config.detector is not None:
        config.detector()  # what is not installed is said now, not to the first client
    hub = Hub(model, config)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        hub.start()
        yield
        await hub.close()

    async def stream(connection: WebSocket) -> None:
        await _serve(connection, hub)

    async def health(request: Request) -> Response:
        del request
        status = "closing" if hub.closing else "ok"
        about = {"status": status, "model": model.name, "clients": len(hub.clients)}
        return JSONResponse(about, 503 if hub.closing else 200)

    async def metrics(request: Request) -> Response:
        if not _allowed(request, config):
            return Response("token needed", 401)
        return Response(hub.metrics.text(), media_type="text/plain; version=0.0.4")

    async def schema(request: Request) -> Response:
        del request
        return JSONResponse(SCHEMA)

    app = Starlette(
        routes=[
            WebSocketRoute("/v1/stream", stream),
            Route("/v1/schema.json", schema),
            Route("/healthz", health),
            Route("/metrics", metrics),
            *page_routes(config.kiosk, model.labels),
        ],
        lifespan=lifespan,
    )
    app.state.hub = hub
    return app


async def _serve(connection: WebSocket, hub: Hub) -> None:
    """One connection, from its first byte to its last."""
    config = hub.config
    if not _allowed(connection, config) or not _same_origin(connection, config):
        hub.metrics.refused.inc()
        await connection.close(BAD_REQUEST)  # before it is accepted: the client sees a 403
        return
    await connection.accept()
    hub.sockets += 1
    try:
        await _converse(connection, hub)
    finally:
        hub.sockets -= 1


async def _converse(connection: WebSocket, hub: Hub) -> None:
    """A connection that was accepted."""
    try:
        audio = AudioFormat.of(connection.query_params)
        client = hub.join(audio)
    except AudioError as problem:
        await _refuse(connection, "format", str(problem), BAD_REQUEST)
        return
    if client is None:
        await _refuse(connection, "busy", "too many connections: try again later", TRY_AGAIN)
        return
    await connection.send_json(ready(hub.model, audio, client.cutter.endpointer.speech_threshold))
    sending = asyncio.create_task(_send(connection, client))
    receiving = asyncio.create_task(_receive(connection, client, hub))
    overrun = asyncio.create_task(client.overrun.wait())
    idle = asyncio.create_task(_become_idle(client))
    tasks, code = (sending, receiving, overrun, idle), 1000
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        still_there = idle.done() or (receiving.done() and receiving.result())
        if still_there and not sending.done():
            # The last events; unless nobody reads them.
            await asyncio.wait((sending, overrun), return_when=asyncio.FIRST_COMPLETED)
        if overrun.done():
            code = TOO_SLOW
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        hub.leave(client)
        await _say_goodbye(connection, GOING if hub.closing else code)


async def _say_goodbye(connection: WebSocket, code: int) -> None:
    """Close; whoever left events unread is told why, if it reads at last."""

    async def say() -> None:
        if code == TOO_SLOW:
            unread = error("slow", "events were left unread: read them as they come")
            await connection.send_json(unread)
        await connection.close(code)

    with contextlib.suppress(RuntimeError, WebSocketDisconnect, asyncio.TimeoutError):
        await asyncio.wait_for(say(), 1.0)


async def _receive(connection: WebSocket, client: Client, hub: Hub) -> bool:
    """Take audio until the client ends it; whether it still wants to hear the rest."""
    limits, began, taken = hub.config.limits, time.monotonic(), 0.0
    while not client.ending:
        client.awaited_since = time.monotonic()
        message = await connection.receive()
        client.awaited_since = None
        if message["type"] == "websocket.disconnect":
            return False
        content = message.get("bytes")
        try:
            if content is None:
                if _is_end(message.get("text") or ""):
                    break
                raise AudioError('the only text message is {"type": "end"}; audio is binary')
            if len(content) > limits.message_bytes:
                raise AudioError(
                    f"a message of {len(content)} bytes: send {limits.message_bytes} at most"
                )
            samples = to_mono(client.decode(content), client.audio.rate)
        except AudioError as problem:
            client.fail("audio", str(problem))
            return True
        client.push(samples)
        if client.due:
            hub.wake()
        taken += len(samples) / client.audio.rate
        ahead = taken - limits.speed * (time.monotonic() - began) - limits.burst_seconds
        if ahead > 0:
            await asyncio.sleep(ahead / limits.speed)
        await client.heard.wait()
    client.ending = True
    hub.wake()
    return True


async def _become_idle(client: Client) -> None:
    """Wait until the client has said nothing for too long; it is told so.

    One task that seldom wakes costs less than a deadline for each message.
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
    """Pass events on until there are no more."""
    while (event := await client.events.get()) is not None:
        await connection.send_text(json.dumps(event, allow_nan=False))


async def _refuse(connection: WebSocket, code: str, message: str, close: int) -> None:
    await connection.send_json(error(code, message))
    await connection.close(close)


def _is_end(text: str) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "end"


def _allowed(connection: HTTPConnection, config: ServeConfig) -> bool:
    if config.token is None:
        return True
    header = connection.headers.get("authorization", "")
    given = connection.query_params.get("token") or header.removeprefix("Bearer ")
    return hmac.compare_digest(given.encode(), config.token.encode())


def _same_origin(connection: WebSocket, config: ServeConfig) -> bool:
    """Whether the page that connects is ours or one of those allowed; programs have no origin."""
    origin = connection.headers.get("origin")
    if origin is None or "*" in config.origins or origin in config.origins:
        return True
    page = urlsplit(origin)
    if config.host in LOOPBACK and page.hostname not in LOOPBACK:
        return False  # a name of somebody's that was made to lead here
    return page.netloc == connection.headers.get("host")


class _Server(uvicorn.Server):
    """Lets the hub say goodbye before the connections are cut."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub = self.config.app.state.hub  # type: ignore[union-attr]
        await hub.close(GOODBYE_SECONDS)
        await super().shutdown(sockets)


def listening_socket(config: ServeConfig) -> socket.socket:
    """Bound to the address. Raises ServeError if it is taken, not ours, or not allowed."""
    address = (config.host, config.port)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server(address, family=family, backlog=256)
    except OSError as problem:
        number = problem.errno or 0  # that of a name that does not resolve is negative
        why = os.strerror(number) if number > 0 else problem.strerror
        raise ServeError(
            f"cannot listen at {config.host} port {config.port} ({why}): "
            "give an address of this machine and a port that is free"
        ) from None
    # asyncio waits for ever to write to whoever does not read; Linux can be told to give up.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        patience = round(1000 * config.limits.idle_seconds)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
    return bound


def run(
    config: ServeConfig,
    on_listening: Callable[[int], object] = lambda _: None,
    progress: Callable[[float], object] | None = None,
) -> None:
    """Serve until interrupted; ``on_listening`` is told the port once clients can connect.

    ``progress`` is that of :func:`edgeser.load`.

    Raises:
        ServeError: the address is taken, or the certificate or its key cannot be used.
        BundleError, BackendError: the model cannot be loaded.
        MissingExtraError: the detector is not installed.
    """
    settings = uvicorn.Config(
        application(config, progress),
        ssl_certfile=config.certificate,
        ssl_keyfile=config.key,
        ws_max_size=config.limits.message_bytes,
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # speech does not get smaller, but the CPU busier
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        access_log=log.isEnabledFor(logging.DEBUG),
        log_level="info" if log.isEnabledFor(logging.DEBUG) else "warning",
        server_header=False,
    )
    try:
        settings.load()
    except OSError as problem:  # ssl.SSLError is one
        raise ServeError(
            f"no TLS with {config.certificate} and {config.key} ({problem.strerror or problem}): "
            "give a certificate and its own key, both PEM files that can be read"
        ) from None
    with listening_socket(config) as bound:
        on_listening(bound.getsockname()[1])
        _Server(settings).run(sockets=[bound])
