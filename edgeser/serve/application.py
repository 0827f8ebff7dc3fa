"""The web application: the WebSocket, the page, health and metrics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from edgeser.loading import load
from edgeser.serve.access import Access
from edgeser.serve.assets import page_routes
from edgeser.serve.board import Place
from edgeser.serve.config import ServeConfig
from edgeser.serve.conversation import converse
from edgeser.serve.door import Door
from edgeser.serve.guard import Guard
from edgeser.serve.health import health
from edgeser.serve.hub import Hub
from edgeser.serve.protocol import SCHEMA


def application(
    config: ServeConfig | None = None,
    progress: Callable[[float], object] | None = None,
    place: Place | None = None,
) -> Starlette:
    """The ASGI application, for use in another server; see :func:`edgeser.serve.serve`.

    ``progress`` is passed to :func:`edgeser.load`. ``place`` is this process's row on the board
    that the server's processes share, or None if there is only one process.
    """
    config = config or ServeConfig()
    access = access_of(config)
    model = load(
        config.model,
        backend=config.backend,
        precision=config.precision,
        key=config.signed_by,
        progress=progress,
    )
    if config.detector is not None:
        config.detector()  # report a missing package now, not to the first client
    hub = Hub(model, config, place)
    door = Door(config.limits, hub.place)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        hub.start()
        yield
        await hub.close()

    async def stream(connection: WebSocket) -> None:
        await converse(connection, hub, access, door)

    async def how(request: Request) -> Response:
        del request
        return JSONResponse(*health(hub))

    async def metrics(request: Request) -> Response:
        if not access.knows_token(request.query_params.get("token"), request.headers):
            return Response("token needed", 401, {"WWW-Authenticate": "Bearer"})
        return Response(hub.metrics.text(), media_type="text/plain; version=0.0.4")

    async def schema(request: Request) -> Response:
        del request
        return JSONResponse(SCHEMA)

    app = Starlette(
        routes=[
            WebSocketRoute("/v1/stream", stream),
            Route("/v1/schema.json", schema),
            Route("/healthz", how),
            Route("/metrics", metrics),
            *page_routes(config.kiosk, model.labels),
        ],
        lifespan=lifespan,
    )
    app.add_middleware(Guard, access=access, limits=config.limits)
    app.state.hub, app.state.door = hub, door
    return app


def access_of(config: ServeConfig) -> Access:
    """The access rules. Raises ServeError if a token, an origin or a name is malformed."""
    secure = config.certificate is not None
    return Access(config.host, config.token, config.origins, config.names, secure)
