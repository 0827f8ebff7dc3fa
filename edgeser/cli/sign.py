"""``edgeser sign`` and ``edgeser verify``: signatures of bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgeser import signing
from edgeser.bundle.reader import parse_bundle, read_bundle
from edgeser.cli.output import shown

BundleArgument = Annotated[Path, typer.Argument(metavar="NAME.edgeser")]


def sign(
    bundle: BundleArgument,
    key: Annotated[
        Path, typer.Option("--key", "-k", metavar="PRIVATE.pem", help="An Ed25519 private key.")
    ],
) -> None:
    """Sign a bundle and the kernels beside it; write NAME.edgeser.sig.

    Needs the extra "sign".
    """
    read_bundle(bundle)  # nothing is signed that would be refused
    typer.echo(shown(signing.sign(bundle, key)))


def verify(
    bundle: BundleArgument,
    key: Annotated[
        Path,
        typer.Option("--key", "-k", metavar="PUBLIC.pem", help="Ed25519 public keys."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="What was verified, as JSON.")] = False,
) -> None:
    """Verify the signature of a bundle and of the kernels beside it.

    Needs the extra "sign".
    """
    signed = signing.verify(bundle, key)
    model = parse_bundle(signed.data)
    if as_json:
        about = {"path": str(bundle), "hash": model.hash, "by": signed.by}
        typer.echo(json.dumps({**about, "kernels": signed.kernels}, indent=1))
        return
    what = "the bundle and its kernels" if signed.kernels else "the bundle; there are no kernels"
    typer.echo(f"{shown(bundle)}: signed by {signed.by[:16]}: {what}")
