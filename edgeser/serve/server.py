"""Runs the server: a listening socket, the door, and uvicorn behind it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
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
"""Switch interval of Python threads: the event loop waits no longer than this for the worker."""
GARBAGE_OBJECTS = 5_000
"""New objects after which Python looks for garbage; 700 is its default. The steps of many clients
make more than that, nearly all short-lived, and a full pass stops a thousand clients for 0.1 s."""
LONGEST_TIMEOUT = 2**31 - 1
"""Of a socket's option, in milliseconds: the system stores it as an int."""
FORCED_SECONDS = 1.0
"""Time in which the application may still end after a second signal."""
log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn's server with our own door; its hub closes streams before connections are cut."""

    def __init__(self, settings: Settings, bound: socket.socket, app: Starlette) -> None:
        super().__init__(settings)
        self._bound, self._door = bound, settings.door
        self._hub: Hub = app.state.hub
        self._hub.on_stuck = self._give_up
        self.stuck = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts; connections are accepted last."""
        del sockets
        await super().startup(sockets=[])
        config = self.config

        def protocol() -> Any:
            return config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )

        self._door.open(self._bound, protocol, config.ssl)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops accepting connections, and closes all clients."""
        await self._door.close()
        self._bound.close()
        await self._hub.close(GOODBYE_SECONDS)
        await super().shutdown(sockets)
        if self.force_exit:  # then uvicorn does not end the application, and cancelling it is loud
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.lifespan.shutdown(), FORCED_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: :class:`edgeser.serve.signals.Signals` handles signals instead."""
        yield

    def _give_up(self) -> None:
        self.stuck = self.should_exit = True


def listening_socket(config: ServeConfig) -> socket.socket:
    """Binds to the address. Raises ServeError if it is in use, not local, or not permitted."""
    address = (config.host, config.port)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server(address, family=family, backlog=QUEUE)
    except (OSError, UnicodeError) as problem:
        number = getattr(problem, "errno", 0) or 0  # negative for names that do not resolve
        why = os.strerror(number) if number > 0 else getattr(problem, "strerror", "no name")
        raise ServeError(
            f"cannot listen at {config.host} port {config.port} ({why}): "
            "give an address of this machine and a port that is free"
        ) from None
    # asyncio waits forever for clients that do not read; Linux can time out such writes.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        patience = round(min(1000 * config.limits.idle_seconds, LONGEST_TIMEOUT))
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
    return bound


def run(
    config: ServeConfig,
    on_listening: Callable[[int], object] = lambda _: None,
    progress: Callable[[float], object] | None = None,
) -> None:
    """Serves until interrupted; calls ``on_listening`` with the port once clients can connect.

    ``progress`` is passed to :func:`edgeser.load`.

    Raises:
        ServeError: the address is in use, the certificate or its key cannot be used, the token is
            empty, an origin is malformed, the system allows too few open files, or does not
            support several workers; or a step never ended, and the process should exit.
        BundleError, BackendError: the model cannot be loaded.
        MissingExtraError: the detector is not installed.
        KeyboardInterrupt: after Ctrl-C. SIGTERM and SIGHUP end the server without an exception.
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
    """Serves in this process, at the socket that ``listen`` returns once the model is loaded.

    ``place`` is this process's row on the board, None if there is only one process. Raises the same
    as :func:`run`.
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
        ws_per_message_deflate=False,  # compressing speech costs CPU and saves nothing
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        access_log=verbose,
        log_level="info" if verbose else "warning",
        server_header=False,
        proxy_headers=False,  # any client can send them
    )
    try:
        settings.load()
    except OSError as problem:  # includes ssl.SSLError
        raise ServeError(
            f"no TLS with {config.certificate} and {config.key} ({problem.strerror or problem}): "
            "give a certificate and its own key, both PEM files that can be read"
        ) from None
    with listen() as bound:
        server = _Server(settings, bound, app)
        signals.server = server
        switch, garbage = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.collect()
        gc.set_threshold(GARBAGE_OBJECTS, *garbage[1:])
        gc.freeze()  # what is there now stays: no pass needs to look at it
        try:
            if not server.should_exit:
                on_listening(bound.getsockname()[1])
                server.run()
        finally:
            sys.setswitchinterval(switch)
            gc.set_threshold(*garbage)
            gc.unfreeze()
    if server.stuck:
        raise ServeError("a step of the model never ended: start the server again")
