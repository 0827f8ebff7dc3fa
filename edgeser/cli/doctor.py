"""``edgeser doctor``: what is here, what works, and why the rest does not."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import statistics
import time
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgeser.backends import check_backend, kernels
from edgeser.cli.options import ModelOption, PrecisionOption
from edgeser.errors import BackendError, EdgeserError
from edgeser.loading import load
from edgeser.model import Model
from edgeser.version import __version__

_REQUIRED = ("numpy", "onnxruntime", "safetensors", "soundfile", "typer", "rich")
_EXTRAS = {"mic": "PyAudio", "plot": "matplotlib", "train": "torch"}
_KNOWN_BACKENDS = ("cpu", "cuda")
_TIMED_HOPS = 50


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
) -> None:
    """Say what is installed, what works, and why the rest does not.

    Exit codes: 0 the model runs here, 1 it does not.
    """
    report: dict[str, Any] = {
        "edgeser": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _REQUIRED},
        "extras": {extra: {name: _version(name)} for extra, name in _EXTRAS.items()},
        "simd": _simd(),
        "backends": {name: _why_not(name) or "works" for name in _KNOWN_BACKENDS},
    }
    try:
        loaded = load(model, precision=precision)
    except EdgeserError as error:
        report["model"] = {"error": str(error)}
    else:
        report["model"] = _about(loaded)
        report["speed"] = _speed(loaded)
    if as_json:
        typer.echo(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        _print(report)
    if "error" in report["model"]:
        raise typer.Exit(1)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _simd() -> list[str]:
    """Instruction sets that the kernels can use here, best first."""
    try:
        return list(kernels().simd_levels())
    except BackendError:
        return []


def _why_not(backend: str) -> str | None:
    try:
        check_backend(backend)
    except BackendError as error:
        return str(error)
    return None


def _about(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "hash": model.hash,
        "licence": model.licence,
        "labels": list(model.labels),
        "precision": model.precision,
        "stream_kib": round(model.state_bytes / 1024, 1),
    }


def _speed(model: Model) -> dict[str, float]:
    """What one hop of one stream costs here, at the model's own rate."""
    stream = model.stream(model.sample_rate)
    hop = round(model.hop * model.sample_rate)
    noise = np.random.default_rng(0).standard_normal(hop).astype(np.float32) * np.float32(0.05)
    taken = []
    for _ in range(_TIMED_HOPS):
        start = time.perf_counter()
        stream.process(noise)
        taken.append(time.perf_counter() - start)
    median = statistics.median(taken)
    return {
        "hop_ms": round(model.hop * 1e3, 3),
        "compute_ms": round(median * 1e3, 3),
        "times_real_time": round(model.hop / median, 1),
    }


def _print(report: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("edgeser", report["edgeser"])
    table.add_row("python", f"{report['python']} on {report['platform']}")
    for name, version in report["packages"].items():
        table.add_row(name, version or "[red]missing[/]")
    for extra, packages in report["extras"].items():
        for name, version in packages.items():
            missing = f"not installed; pip install 'edgeser[{extra}]'"
            table.add_row(name, version or escape(missing))
    table.add_row("SIMD", ", ".join(report["simd"]) or "[red]unknown[/]")
    for name, outcome in report["backends"].items():
        colour = "green" if outcome == "works" else "bright_black"
        table.add_row(f"backend {name}", f"[{colour}]{escape(outcome)}[/]")
    _add_model(table, report)
    Console(highlight=False).print(table)


def _add_model(table: Table, report: dict[str, Any]) -> None:
    about = report["model"]
    if "error" in about:
        table.add_row("model", f"[red]{escape(about['error'])}[/]")
        return
    table.add_row("model", f"{about['name']} {about['version']} ({', '.join(about['labels'])})")
    table.add_row("precision", about["precision"])
    table.add_row("hash", about["hash"])
    table.add_row("licence", escape(about["licence"]))
    table.add_row("stream", f"{about['stream_kib']} KiB, for ever")
    speed = report["speed"]
    table.add_row(
        "speed",
        f"{speed['compute_ms']} ms for each {speed['hop_ms']:.0f} ms hop: "
        f"{speed['times_real_time']:.0f} times real time",
    )
