"""``edgeser serve``: a WebSocket and a page."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from edgeser.cli.loading import engine_bar
from edgeser.cli.options import BackendOption, ModelOption, PrecisionOption, VadOption
from edgeser.streaming.detection import Silero


def serve(
    host: Annotated[
        str, typer.Option(help="0.0.0.0 for everybody who can reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8765,
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
    vad: VadOption = "own",
    as_json: Annotated[
        bool, typer.Option("--json", help="Say the address as a line of JSON.")
    ] = False,
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
    backend: BackendOption = "cpu",
) -> None:
    """Serve emotions over a WebSocket, and a page with a microphone for a kiosk.

    Audio is judged in this process; nothing of it is stored, logged or sent on. Ctrl-C ends it.
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
        detector=Silero if vad == "silero" else None,
        precision=precision,
        backend=backend,
    )
    scheme = "https" if certificate else "http"

    def say(port: int) -> None:
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        if as_json:
            typer.echo(json.dumps({"address": address}))
        else:
            typer.echo(f"edgeser listens at {address} (Ctrl-C ends it)")

    # An interrupt is how serving ends.
    with suppress(KeyboardInterrupt), engine_bar() as progress:
        run(config, say, progress)
