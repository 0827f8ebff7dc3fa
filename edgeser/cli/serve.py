"""``edgeser serve``: a WebSocket and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeser.cli.options import ModelOption, PrecisionOption


def serve(
    host: Annotated[
        str, typer.Option(help="0.0.0.0 for everybody who can reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    token: Annotated[
        str | None, typer.Option(envvar="EDGESER_TOKEN", help="What clients must send.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="A web origin whose pages may connect. Repeatable.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, for TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key.")] = None,
    connections: Annotated[int, typer.Option(min=1, help="Most at one time.")] = 64,
    idle: Annotated[
        float, typer.Option(min=0.1, help="Seconds without a message that end a connection.")
    ] = 30.0,
    speed: Annotated[
        float, typer.Option(min=1.0, help="Times real time at which one client may send.")
    ] = 4.0,
    message_bytes: Annotated[int, typer.Option(min=1024, help="Longest message.")] = 1 << 18,
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
) -> None:
    """Serve emotions over a WebSocket, and a page with a microphone for a kiosk.

    Audio is judged in this process; nothing of it is stored, logged or sent on. Ctrl-C ends it.

    Exit codes: 0 it served, 1 the address is taken or something failed, 2 the command line makes
    no sense.
    """
    if (certificate is None) != (key is None):
        raise typer.BadParameter("TLS needs both --certificate and --key")
    from edgeser.serve.config import Limits, ServeConfig
    from edgeser.serve.server import run

    config = ServeConfig(
        host,
        port,
        model,
        token,
        tuple(origin or ()),
        certificate,
        key,
        Limits(connections, message_bytes, idle, speed),
        precision=precision,
    )
    scheme = "https" if certificate else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    run(config, lambda: typer.echo(f"edgeser listens at {address} (Ctrl-C ends it)"))
