"""``edgeser serve``: a WebSocket and a page."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from edgeser.cli.loading import engine_bar
from edgeser.cli.options import (
    BackendOption,
    ModelOption,
    PrecisionOption,
    SignedByOption,
    VadOption,
)
from edgeser.cli.secret import secret
from edgeser.cores import cores
from edgeser.interrupts import ends_at_once
from edgeser.streaming.vad import Silero


def serve(
    host: Annotated[str, typer.Option(help="0.0.0.0 accepts other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free port.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            help="Secret that clients must send. Other users see it in the process list: better "
            "use --token-file, or the environment variable EDGESER_TOKEN."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="A file whose first line is the token; - for standard input."),
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="A web origin whose pages may connect. Repeatable.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name of this server, for use without TLS or token. Repeatable."
        ),
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, for TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key.")] = None,
    connections: Annotated[int, typer.Option(min=1, help="Most clients at a time.")] = 64,
    per_address: Annotated[
        int | None,
        typer.Option(min=1, help="Most per address; default half, for this machine all."),
    ] = None,
    messages: Annotated[
        float, typer.Option(min=1.0, help="Per second and client; further ones have to wait.")
    ] = 500.0,
    idle: Annotated[
        float, typer.Option(min=0.1, help="Seconds without a message that end a connection.")
    ] = 30.0,
    speed: Annotated[
        float, typer.Option(min=1.0, help="Multiple of real time that a client may send.")
    ] = 4.0,
    message_bytes: Annotated[int, typer.Option(min=1024, help="Longest message.")] = 1 << 18,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Processes on Linux; 0 for one per core."),
    ] = 1,
    title: Annotated[str, typer.Option(help="The page's title.")] = "edgeser",
    contact: Annotated[
        str, typer.Option(help="Who is responsible for the kiosk: a line under the page's sign.")
    ] = "",
    logo: Annotated[
        Path | None, typer.Option(help="The page's logo: SVG, PNG, JPEG, WebP.")
    ] = None,
    theme: Annotated[Path | None, typer.Option(help="CSS file, loaded last.")] = None,
    languages: Annotated[
        Path | None, typer.Option(help="Folder of CODE.json files: more languages for the page.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="The page's language, else the browser's.")
    ] = None,
    forget_after: Annotated[
        float, typer.Option(min=1.0, help="Seconds without speech until the page is cleared.")
    ] = 60.0,
    count_labels: Annotated[
        bool, typer.Option("--count-labels", help="Count labels in /metrics, updated once an hour.")
    ] = False,
    vad: VadOption = "own",
    skip_quiet: Annotated[
        bool,
        typer.Option(
            "--skip-quiet", help="Skip hops that sound like the pause before them; saves time."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say the address as a line of JSON.")
    ] = False,
    model: ModelOption = None,
    signed_by: SignedByOption = None,
    precision: PrecisionOption = "float32",
    backend: BackendOption = "cpu",
) -> None:
    """Serve emotions over a WebSocket, and a page with a microphone for a kiosk.

    Audio is processed in the process of its connection, and is not stored, logged or
    forwarded. Ctrl-C, SIGTERM and SIGHUP end it.
    """
    if (certificate is None) != (key is None):
        raise typer.BadParameter("TLS needs both --certificate and --key")
    with ends_at_once():
        from edgeser.serve.config import Limits, ServeConfig
        from edgeser.serve.kiosk import Kiosk
        from edgeser.serve.server import run

    limits = Limits(
        connections,
        message_bytes,
        idle,
        speed,
        per_address=per_address,
        messages_a_second=messages,
    )
    config = ServeConfig(
        host,
        port,
        model,
        secret(token, token_file),
        tuple(origin or ()),
        certificate,
        key,
        names=tuple(name or ()),
        limits=limits,
        detector=Silero if vad == "silero" else None,
        every_hop=not skip_quiet,
        precision=precision,
        backend=backend,
        signed_by=signed_by,
        count_labels=count_labels,
        kiosk=Kiosk(title, contact, logo, theme, languages, language, forget_after),
        workers=workers or cores(),
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
