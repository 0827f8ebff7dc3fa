"""The server: a socket, a door, and uvicorn behind it, until somebody ends it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

from edgeser.errors import MissingExtraError, ServeError
from edgeser.serve.access import is_local
from edgeser.serve.board import Place
from edgeser.serve.config import GOODBYE_SECONDS, ServeConfig

try:
    import uvicorn
    from starlette.applications import Starlette

    from edgeser.serve.application import access_of, application
    from edgeser.serve.connection import Settings
    from edgeser.serve.door import QUEUE, allow_files
    from edgeser.serve.hub import Hub
except ImportError as missing:
    raise MissingExtraError(
        f"serving needs {missing.name}: pip install 'edgeser[serve]'"
    ) from missing

from edgeser.serve.quiet import bounded
from edgeser.serve.signals import Ended, Signals

SWITCH_SECONDS = 0.001
"""After which a thread that waits for Python gets it; the network's waits for the worker's."""
log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn's, with a door of its own, whose hub says goodbye before connections are cut."""

    def __init__(self, settings: Settings, bound: socket.socket, app: Starlette) -> None:
        super().__init__(settings)
        self._bound, self._door = bound, settings.door
        self._hub: Hub = app.state.hub
        self._hub.on_stuck = self._give_up
        self.stuck = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin; the door is opened last."""
        del sockets
        await super().startup(sockets=[])
        config = self.config

        def protocol() -> Any:
            return config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )

        self._door.open(self._bound, protocol, config.ssl)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: nobody comes in, everybody hears goodbye."""
        await self._door.close()
        self._bound.close()
        await self._hub.close(GOODBYE_SECONDS)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not here: :class:`edgeser.serve.signals.Signals` does for all of ``run``."""
        yield

    def _give_up(self) -> None:
        self.stuck = self.should_exit = True


def listening_socket(config: ServeConfig) -> socket.socket:
    """Bound to the address. Raises ServeError if it is taken, not ours, or not allowed."""
    address = (config.host, config.port)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server(address, family=family, backlog=QUEUE)
    except (OSError, UnicodeError) as problem:
        number = getattr(problem, "errno", 0) or 0  # that of a name that does not resolve is < 0
        why = os.strerror(number) if number > 0 else getattr(problem, "strerror", "no name")
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
        ServeError: the address is taken, the certificate or its key cannot be used, the token is
            empty, an origin is none, the system allows fewer files than connections need, or
            cannot have several workers; or a step never ended, and the process should.
        BundleError, BackendError: the model cannot be loaded.
        MissingExtraError: the detector is not installed.
        KeyboardInterrupt: Ctrl-C ended it. SIGTERM and SIGHUP end it as well, and raise nothing.
    """
    with contextlib.suppress(Ended), Signals() as signals, bounded():
        access_of(config)
        allow_files(config.limits)
        if config.token is None and not is_local(config.host):
            log.warning(
                "%s without a token: everybody who reaches this machine may connect", config.host
            )
        if config.workers > 1:
            from edgeser.serve.supervisor import supervise

            with listening_socket(config) as bound:
                supervise(config, bound, on_listening, progress, signals)
        else:
            serve_here(config, lambda: listening_socket(config), on_listening, progress, signals)


def serve_here(
    config: ServeConfig,
    listen: Callable[[], socket.socket],
    on_listening: Callable[[int], object],
    progress: Callable[[float], object] | None,
    signals: Signals,
    place: Place | None = None,
) -> None:
    """Serve in this process, at the socket that ``listen`` gives once the model is there.

    ``place`` is that of this process among those of the server, None if there are no others.
    Raises as :func:`run`.
    """
    app = application(config, progress, place)
    verbose = log.isEnabledFor(logging.DEBUG)
    settings = Settings(
        app,
        app.state.door,
        config.limits,
        ssl_certfile=config.certificate,
        ssl_keyfile=config.key,
        ws_max_size=config.limits.message_bytes,
        ws_per_message_deflate=False,  # speech does not get smaller, but the CPU busier
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        access_log=verbose,
        log_level="info" if verbose else "warning",
        server_header=False,
        proxy_headers=False,  # anybody may send them
    )
    try:
        settings.load()
    except OSError as problem:  # ssl.SSLError is one
        raise ServeError(
            f"no TLS with {config.certificate} and {config.key} ({problem.strerror or problem}): "
            "give a certificate and its own key, both PEM files that can be read"
        ) from None
    with listen() as bound:
        server = _Server(settings, bound, app)
        switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            on_listening(bound.getsockname()[1])
            signals.server = server
            server.run()
        finally:
            sys.setswitchinterval(switch)
    if server.stuck:
        raise ServeError("a step of the model never ended: start the server again")
