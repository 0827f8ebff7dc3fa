"""``edgeser compile``: the GPU kernels as machine code, for devices that need no compiler."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edgeser.backends.cuda.index import INDEX, LARGEST, Index
from edgeser.backends.cuda.shapes import PRECISION_NAMES
from edgeser.backends.cuda.targets import ALL, TARGETS, resolve
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.options import ModelOption
from edgeser.cli.output import as_text, plain_console, shown
from edgeser.errors import BackendError
from edgeser.files import read_plain


def compile_kernels(
    target: Annotated[
        str, typer.Option("--target", "-t", help=f"Targets: {', '.join((*TARGETS, ALL))}.")
    ] = ALL,
    model: ModelOption = None,
    precision: Annotated[
        str, typer.Option("--precision", help=f"Precisions: {', '.join(PRECISION_NAMES)}.")
    ] = "float32",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Default: NAME.kernels beside the bundle."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Compile the GPU kernels of a model, on any Linux machine; it needs no GPU.

    Separate several targets or precisions by commas. The devices need neither torch nor Triton nor
    a compiler. Existing files for other targets and precisions are kept. Needs the extra "compile".
    """
    targets = resolve(target.split(","))
    precisions = tuple(map(_precision, precision.split(",")))
    path = model or DEFAULT_BUNDLE
    bundle = read_bundle(path)
    folder = out or path.with_suffix(".kernels")
    try:
        from edgeser.backends.cuda.triton.compile import compile_bundle
    except ImportError as error:
        raise BackendError(
            f"compiling needs Triton, which there is for Linux only ({error}): "
            "pip install 'edgeser[compile]'"
        ) from None
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task(f"{len(targets)} targets", total=1.0)
        index = compile_bundle(
            bundle, targets, precisions, folder, lambda done: bars.update(task, completed=done)
        )
    if as_json:
        raw = json.loads(read_plain(folder / INDEX, LARGEST)[0])
        typer.echo(as_text({"folder": str(folder), "index": raw}))
        return
    _print(index)


def _precision(name: str) -> str:
    if name not in PRECISION_NAMES:
        raise BackendError(
            f"the GPU kernels do not support precision {name!r}; they support "
            f"{', '.join(PRECISION_NAMES)}"
        )
    return PRECISION_NAMES[name]


def _print(index: Index) -> None:
    variants = [variant for kernel in index.kernels.values() for variant in kernel.variants]
    files = Counter((v.target, v.precision) for v in variants)
    sizes: Counter[tuple[str, str]] = Counter()
    for v in variants:
        sizes[v.target, v.precision] += v.bytes
    table = Table(box=None, pad_edge=False)
    for heading in ("target", "precision"):
        table.add_column(heading)
    for heading in ("files", "KB"):
        table.add_column(heading, justify="right")
    names = {short: name for name, short in PRECISION_NAMES.items()}
    for (target, precision), count in files.items():
        size = f"{sizes[target, precision] / 1e3:.0f}"
        table.add_row(target, names[precision], str(count), size)
    console = plain_console()
    console.print(table)
    total = sum(sizes.values()) / 1e6
    console.print(
        f"{len(variants)} files, {total:.2f} MB, in {shown(index.folder)}", soft_wrap=True
    )
