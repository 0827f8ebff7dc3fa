"""Measure everything and write ``bench/results/<machine>.json`` and ``.md``."""

import json
import platform
import re
from pathlib import Path
from typing import Annotated

import typer

import edgeser
from bench import process, start
from edgeser.cli.bench import machine_name

RESULTS = Path(__file__).parent / "results"

TABLE = """\
# {machine}

edgeser {version}, {simd} kernels, Python {python}. Medians over rounds in which all take turns;
the machine {shared}, so only ratios within this run mean anything.

| what | figure |
|---|---|
{rows}
"""


def main(
    shared: Annotated[
        bool, typer.Option("--shared", help="Say that others use the machine meanwhile.")
    ] = False,
) -> None:
    """Run all of it, on one thread."""
    model = edgeser.load()
    result = {
        "machine": machine_name(),
        "edgeser": edgeser.__version__,
        "simd": model.simd,
        "python": platform.python_version(),
        "shared": shared,
        "process": process.measure(),
        "start": start.measure(),
        "state_bytes": model.state_bytes,
    }
    stem = re.sub(r"[^a-z0-9]+", "-", machine_name().lower()).strip("-")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.json").write_text(json.dumps(result, indent=2) + "\n")
    page = TABLE.format(
        machine=result["machine"],
        version=result["edgeser"],
        simd=model.simd,
        python=result["python"],
        shared="was shared with other work" if shared else "was idle otherwise",
        rows="\n".join(f"| {what} | {figure} |" for what, figure in _rows(result)),
    )
    (RESULTS / f"{stem}.md").write_text(page)
    typer.echo(page)


def _rows(result: dict) -> list[tuple[str, str]]:  # type: ignore[type-arg]
    whole, begun = result["process"], result["start"]
    speed = whole["real_time"]
    rows = [
        ("`stream.process`, 128 ms hops, times real time", f"{speed['stream']:.0f}"),
        ("share of it that is the front end (ONNX Runtime)", f"{whole['front_end_share']:.0%}"),
        (
            "64 streams in a pool against one alone, per stream",
            f"{whole['pool_64_over_single']:.2f} times",
        ),
        ("import and load", f"{begun['load_ms']:.0f} ms, {begun['load_mib']:.0f} MiB"),
        (
            "the same against importing NumPy and ONNX Runtime",
            f"{begun['time_ratio']:.2f} times the time, {begun['memory_ratio']:.2f} the memory",
        ),
        ("state of a stream", f"{result['state_bytes']:,} bytes"),
    ]
    if "opensmile_over_stream" in whole:
        ratio = f"{whole['opensmile_over_stream']:.1f} times as fast"
        rows.insert(1, ("against openSMILE's eGeMAPS on the same recording", ratio))
    return rows


if __name__ == "__main__":
    typer.run(main)
