"""A report as a picture: latencies over time and as a histogram, streams, memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeser.bench.measure import Report
from edgeser.errors import MissingExtraError
from edgeser.plot import save_figure


def save_report(report: Report, path: Path) -> None:
    """Draw into an image. Raises MissingExtraError without matplotlib, OSError if it cannot."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
    except ImportError as missing:
        raise MissingExtraError("plots need matplotlib: pip install 'edgeser[plot]'") from missing
    figure = Figure(figsize=(11, 7), layout="constrained")
    over_time, histogram, streams, memory = figure.subplots(2, 2).flat
    ms = np.array(report.latencies)
    minutes = np.linspace(0, report.minutes, len(ms))
    over_time.plot(minutes, ms, lw=0.6, color="#14606b")
    over_time.set(xlabel="minutes", ylabel="ms", title="latency of each frame", yscale="log")
    histogram.hist(
        ms, bins=np.geomspace(ms.min() * 0.9, ms.max() * 1.1, 60).tolist(), color="#14606b"
    )
    for name in ("p50", "p99"):
        value = getattr(report.latency, name)
        histogram.axvline(value, color="#d1495b", lw=1)
        histogram.text(value, histogram.get_ylim()[1], f" {name} {value:.2f}", va="top", fontsize=9)
    histogram.set(xlabel="ms", ylabel="frames", xscale="log", title="latency")
    counts = [t.streams for t in report.throughput]
    streams.plot(counts, [t.in_real_time for t in report.throughput], marker="o", color="#14606b")
    streams.set(
        xlabel="streams in a batch",
        xscale="log",
        ylim=(0, 1.1 * max(t.in_real_time for t in report.throughput)),
        title="streams a core",
    )
    streams.set_xticks(counts)
    memory.plot(
        np.linspace(0, report.minutes, len(report.memory_mib)), report.memory_mib, marker="o"
    )
    most = 1.25 * max(report.memory_mib)
    memory.set(xlabel="minutes", ylabel="MiB", ylim=(0, most), title="resident memory")
    for axis in (over_time, histogram, streams, memory):
        axis.grid(alpha=0.25)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter(ScalarFormatter())
            side.set_minor_formatter(NullFormatter())
        axis.spines[["top", "right"]].set_visible(False)
    for side in (over_time.yaxis, histogram.xaxis):
        side.set_major_locator(LogLocator(subs=(1, 2, 5)))
    figure.suptitle(
        f"edgeser {report.edgeser}, {report.model}, {report.machine} ({report.simd}), {report.pace}"
    ).set_parse_math(False)
    save_figure(figure, path, dpi=110)
