"""``edgeser info``: shows the contents of a bundle without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.output import as_text, table_console, words
from edgeser.loading import is_commercial


def info(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="NAME.edgeser", help="Default: the bundled model.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole manifest.")] = False,
) -> None:
    """Show the contents of a bundle: emotions, sizes, licence, training, figures, hashes."""
    path = bundle or DEFAULT_BUNDLE
    read = read_bundle(path)
    raw: dict[str, Any] = dict(read.manifest.raw)
    if as_json:
        about = {"path": str(path), "bytes": path.stat().st_size, "hash": read.hash}
        typer.echo(as_text({**about, "manifest": raw}))
        return
    manifest, console = read.manifest, table_console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    commercial = "" if is_commercial(manifest.licence) else " (not for commercial use)"
    thresholds, sizes = manifest.thresholds, manifest.sizes
    rows = [
        ("model", f"{manifest.name} {manifest.version}"),
        ("emotions", ", ".join(manifest.labels)),
        ("licence", manifest.licence + commercial),
        ("file", f"{path.name}, {path.stat().st_size / 1e6:.2f} MB"),
        ("sha256 of the manifest", read.hash),
        *(
            (f"sha256 of {name}", f"{member['sha256']}, {member['bytes'] / 1e6:.2f} MB")
            for name, member in raw["members"].items()
        ),
        (
            "hop, segment",
            (
                f"{sizes.hop / sizes.sample_rate * 1000:g}, "
                f"{sizes.segment / sizes.sample_rate * 1000:g} ms at {sizes.sample_rate} Hz"
            ),
        ),
        (
            "network",
            (
                f"width {sizes.width}, {sizes.layers} layers of {sizes.heads} heads and "
                f"{sizes.taps} taps, {sizes.codes} codes"
            ),
        ),
        (
            "thresholds",
            (
                f"speech {thresholds.speech:g}, confidence {thresholds.confidence:g}, "
                f"{thresholds.utterance:g} s of speech for a verdict"
            ),
        ),
        *_figures(raw.get("training")),
        *(("notice", notice) for notice in manifest.notices),
    ]
    for name, value in rows:
        table.add_row(words(name), words(value))
    console.print(table)


def _figures(training: Any) -> list[tuple[str, str]]:
    """The accuracy of the model, from the manifest, in which nobody has checked this part."""
    rows = []
    for key, what in (
        ("speaker_independent", "unheard speakers"),
        ("cross_corpus", "unheard corpus"),
    ):
        for corpus, scores in _table(_table(training).get(key)).items():
            ua, wa = (_table(scores).get(name) for name in ("ua", "wa"))
            if isinstance(ua, float) and isinstance(wa, float):
                rows.append((f"{corpus}, {what}", f"UA {ua:.3f}, WA {wa:.3f}"))
    if provenance := _table(_table(training).get("provenance")):
        rows.append(("made by commit", str(provenance.get("commit", "unknown"))))
    return rows


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
