"""``edgeser bench``: measures the speed on this device."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edgeser.bench.measure import (
    CHUNK_SECONDS,
    Latency,
    Report,
    cold_start,
    paced,
    throughput,
    to_json,
)
from edgeser.cli.exit_codes import ExitCode
from edgeser.cli.loading import load_model
from edgeser.cli.options import BackendOption, ModelOption, PrecisionOption
from edgeser.cli.output import plain_console
from edgeser.version import __version__


def bench(
    minutes: Annotated[float, typer.Option(min=0.02, help="Minutes of simulated audio.")] = 1.0,
    flat_out: Annotated[
        bool, typer.Option("--flat-out", help="Run without pauses instead of at real-time pace.")
    ] = False,
    streams: Annotated[
        str, typer.Option(help="Numbers of streams in a batch, comma-separated.")
    ] = "1,4,16,64",
    as_json: Annotated[bool, typer.Option("--json", help="Print all results as JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="bench.png", help="Plot them.")] = None,
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
    backend: BackendOption = "cpu",
) -> None:
    """Latency, missed deadlines, throughput and memory on this device, at real-time pace."""
    try:
        counts = [int(part) for part in streams.split(",")]
    except ValueError:
        raise typer.BadParameter(f"--streams {streams}: give numbers, as 1,4,16,64") from None
    if not all(1 <= count <= 4096 for count in counts):
        raise typer.BadParameter("--streams: each is 1 to 4096")
    if plot is not None:
        from edgeser.plot import check_plot_path

        check_plot_path(plot)
    loaded = load_model(model, backend, precision)
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task("cold start", total=None)
        imported, cold = cold_start(str(model) if model else None, precision, backend)
        bars.remove_task(task)
        task = bars.add_task("one stream", total=1.0)
        latencies, memory, busy = paced(
            loaded, minutes, flat_out, lambda done: bars.update(task, completed=done)
        )
        bars.remove_task(task)
        task = bars.add_task("many streams", total=len(counts))
        measured = []
        for count in counts:
            measured.append(throughput(loaded, count))
            bars.advance(task)
    report = Report(
        edgeser=__version__,
        machine=machine_name(),
        backend=loaded.backend,
        simd=loaded.simd,
        precision=loaded.precision,
        model=f"{loaded.name} {loaded.version}",
        minutes=minutes,
        pace="flat out" if flat_out else f"real time, {CHUNK_SECONDS * 1000:.0f} ms chunks",
        cold_start_ms=cold,
        import_ms=imported,
        latency=Latency.of(latencies, loaded.hop),
        real_time_factor=busy / (60 * minutes),
        throughput=tuple(measured),
        memory_mib=tuple(memory),
        state_bytes=loaded.state_bytes,
        latencies=tuple(1000 * seconds for seconds in latencies),
    )
    if plot is not None:
        from edgeser.bench.plot import save_report

        save_report(report, plot)
    if as_json:
        typer.echo(to_json(report))
    else:
        _print(report)
    if report.latency.missed:
        raise typer.Exit(ExitCode.LATE)


def _print(report: Report) -> None:
    console = plain_console()
    console.print(
        f"edgeser {report.edgeser}, {report.model}, {report.machine} "
        f"({report.backend}, {report.simd}, {report.precision}), "
        f"{report.minutes:g} min at {report.pace}",
        soft_wrap=True,
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    latency = report.latency
    for name, value in (
        ("latency of a frame, median", f"{latency.p50:.2f} ms"),
        ("p90, p99, p99.9", f"{latency.p90:.2f}, {latency.p99:.2f}, {latency.p999:.2f} ms"),
        ("worst, jitter", f"{latency.worst:.2f}, {latency.jitter:.2f} ms"),
        ("missed deadlines", f"{latency.missed} of {latency.count}"),
        ("real-time factor", f"{report.real_time_factor:.5f} of a core"),
        ("cold start (of it import)", f"{report.cold_start_ms:.0f} ({report.import_ms:.0f}) ms"),
        ("memory over time", ", ".join(f"{mib:.0f}" for mib in report.memory_mib) + " MiB"),
        ("state of a stream", f"{report.state_bytes / 1024:.0f} KiB"),
        *(
            (f"streams a core, {t.streams} in a batch", f"{t.in_real_time:.0f}")
            for t in report.throughput
        ),
    ):
        table.add_row(name, value)
    console.print(table)


def machine_name() -> str:
    """The processor's name, as far as the system tells."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
