"""``edgeser export``: a model for other runtimes, as ONNX graphs or a TensorRT engine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from edgeser.backends.tensorrt import Batches, build, find_flavour
from edgeser.bundle import Bundle, read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.output import as_text, shown
from edgeser.errors import MissingExtraError
from edgeser.files import write_whole

Precision = Literal["float32", "float16", "int8"]


def export(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="NAME.edgeser", help="Default: the bundled model.")
    ] = None,
    frontend: Annotated[
        Path | None,
        typer.Option(metavar="FILE.onnx", help="Write the stateless front end."),
    ] = None,
    step: Annotated[
        Path | None,
        typer.Option(metavar="FILE.onnx", help="Write the whole model, with its state."),
    ] = None,
    tensorrt_step: Annotated[
        Path | None,
        typer.Option(metavar="FILE.engine", help="Write it as a TensorRT engine."),
    ] = None,
    triton_repository: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write a model repository for NVIDIA's Triton Inference Server: a pool of this "
            "package, and the step graph in ONNX Runtime (with --tensorrt-step, in TensorRT).",
        ),
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Precision of the front end.")] = "float32",
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(metavar="SOUND", help="A recording to calibrate int8. Repeatable."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="sm_86",
            help="Build with TensorRT-RTX for this GPU; default: the local GPU.",
        ),
    ] = None,
    batch: Annotated[
        str, typer.Option(metavar="USUAL,MOST", help="Batch sizes of the engine.")
    ] = "1,16",
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Write a model for other runtimes: its front end or all of it in ONNX, or a TensorRT engine.

    Needs the extra "export".
    """
    wanted = {"frontend": frontend, "step": step, "tensorrt_step": tensorrt_step}
    if not any(wanted.values()) and not triton_repository:
        raise typer.BadParameter(
            "say what to write: --frontend, --step, --tensorrt-step or --triton-repository"
        )
    if (precision == "int8") != bool(calibrate):
        raise typer.BadParameter(
            "--precision int8 and --calibrate belong together: give some typical recordings"
        )
    if target and not tensorrt_step:
        raise typer.BadParameter("--target is that of an engine: add --tensorrt-step")
    if target and triton_repository:
        raise typer.BadParameter(
            "--target builds with TensorRT-RTX, whose engines Triton Inference Server does not "
            "load: leave it out, on a machine with TensorRT and the GPU"
        )
    batches, capability = _batches(batch), _capability(target)
    path = bundle or DEFAULT_BUNDLE
    _check_places(wanted, [path, *(calibrate or ())])
    read = read_bundle(path)
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        made: dict[str, bytes] = {"frontend": _in_precision(read, precision, calibrate, bars)}
        if step or tensorrt_step or triton_repository:
            from edgeser.export.step_graph import step_graph

            made["step"] = step_graph(read, made["frontend"])
        if tensorrt_step:
            rtx = "tensorrt_rtx" if capability else None
            flavour = find_flavour("tensorrt" if triton_repository else rtx)
            task = bars.add_task(f"{flavour.title} builds", total=1.0)
            made["tensorrt_step"] = build(
                flavour,
                made["step"],
                batches,
                target=capability,
                progress=lambda done: bars.update(task, completed=done),
            )
    files: dict[str, dict[str, Any]] = {}
    for what, file in wanted.items():
        if file:
            write_whole(file, made[what])
            files[what] = {"path": str(file), "bytes": len(made[what])}
    if triton_repository:
        from edgeser.tritonserver.repository import write_repository

        written = write_repository(
            triton_repository,
            path,
            read,
            made["step"],
            made.get("tensorrt_step"),
            batch=batches.most if tensorrt_step else None,
        )
        size_of_all = sum(each.stat().st_size for each in written)
        files["triton_repository"] = {"path": str(triton_repository), "bytes": size_of_all}
    if tensorrt_step:
        files["tensorrt_step"] |= {"flavour": flavour.name, "version": flavour.version}
    if as_json:
        of = {"name": read.manifest.name, "hash": read.hash, "precision": precision}
        typer.echo(as_text({"model": of, "files": files}))
        return
    width = max(map(len, files))
    for what, about in files.items():  # no table, which would shorten a long path
        name, size = what.replace("_", " "), f"{about['bytes'] / 1e6:.2f} MB"
        typer.echo(f"{name:<{width}}  {size:>9}  {shown(about['path'])}")


def _check_places(wanted: Mapping[str, Path | None], inputs: Sequence[Path]) -> None:
    """No file may be written over one that is read, or over another."""
    taken = {os.path.realpath(path) for path in inputs}
    for what, file in wanted.items():
        if file is None:
            continue
        place = os.path.realpath(file)
        if place in taken:
            option = f"--{what.replace('_', '-')}"
            raise typer.BadParameter(f"{option} {file} is read or written too: choose another name")
        taken.add(place)


def _in_precision(
    bundle: Bundle, precision: Precision, recordings: list[Path] | None, bars: Progress
) -> bytes:
    """The front end's graph."""
    try:
        from edgeser.export.precision import calibration_feeds, float16, int8
    except ImportError as error:
        raise MissingExtraError(
            f"graphs are made with onnx ({error}): pip install 'edgeser[export]'"
        ) from None
    if precision == "float16":
        return float16(bundle.frontend)
    if precision == "int8" and recordings:
        task = bars.add_task("recordings", total=len(recordings))
        feeds = calibration_feeds(bundle, recordings, lambda: bars.advance(task))
        return int8(bundle.frontend, feeds)
    return bundle.frontend


def _batches(text: str) -> Batches:
    try:
        usual, most = map(int, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--batch {text}: give two numbers, as 1,16") from None
    return Batches(usual, most)


def _capability(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(?:sm_)?(\d{1,3})\.?(\d)", text)
    if found is None:
        raise typer.BadParameter(f"--target {text}: give a compute capability, as sm_86 or 8.6")
    return int(found[1]), int(found[2])
