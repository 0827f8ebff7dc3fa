"""Plots of a run: latencies, throughput against streams, roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.native import Case

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, OTHER, RED = "#14606b", "#9aa5a8", "#d1495b"


def _drawn(path: Path, title: str, size: tuple[float, float] = (8, 4.8)) -> tuple[Axes, object]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return axes, lambda: figure.savefig(path, dpi=110)


def latency(path: Path, paced: Sequence[float], flat_out: Sequence[float], machine: str) -> None:
    """Histogram of the time of a hop, at real-time pace and at full speed."""
    axes, save = _drawn(path, f"latency of a frame, {machine}")
    ms = [1000 * np.asarray(values) for values in (paced, flat_out)]
    low, high = min(m.min() for m in ms), max(m.max() for m in ms)
    bins = np.geomspace(0.95 * low, 1.05 * high, 70).tolist()
    for values, colour, name in zip(
        ms, (RED, OURS), ("at real-time pace", "flat out"), strict=True
    ):
        p50, p99 = np.percentile(values, [50, 99])
        label = f"{name}: median {p50:.2f}, p99 {p99:.2f} ms"
        weights = np.full(len(values), 100 / len(values))
        axes.hist(values, bins=bins, weights=weights, color=colour, alpha=0.6, label=label)
    axes.set(xscale="log", xlabel="ms", ylabel="% of frames")
    _plain(axes, "x")
    axes.legend(frameon=False)
    save()  # type: ignore[operator]


def throughput(path: Path, in_real_time: Mapping[int, float], alone: float, machine: str) -> None:
    """Streams in real time on one core, by the number of streams that are stepped together."""
    axes, save = _drawn(path, f"streams in real time on one core, {machine}")
    counts = list(in_real_time)
    axes.plot(counts, list(in_real_time.values()), marker="o", color=OURS, label="in a pool")
    axes.axhline(alone, color=RED, lw=1, ls="--", label="one after another")
    axes.set(xscale="log", xlabel="streams stepped together", ylabel="streams", ylim=(0, None))
    axes.set_xticks(counts)
    _plain(axes, "x")
    axes.legend(frameon=False)
    save()  # type: ignore[operator]


def roofline(path: Path, cases: Mapping[str, Case], machine: str) -> None:
    """Operations per second against operations per byte of weights, below the measured roofs."""
    from matplotlib.ticker import LogLocator

    axes, save = _drawn(path, f"roofline, {machine}", (9, 6))
    peak = 1e-9 / float(np.median([c.rounds.median("flop") for c in cases.values()]))
    x = np.geomspace(0.2, 2e4, 200)
    bandwidths = {}
    for case in cases.values():
        kib = case.facts["bytes"] / 1024
        bandwidths[kib] = 1e-9 * case.facts["bytes"] / case.rounds.median("read")
    for bandwidth in bandwidths.values():
        axes.plot(x, np.minimum(peak, bandwidth * x), color=OTHER, lw=1)
    # Between the slopes and the legend, where there are no kernels.
    axes.text(0.3, 0.03, _widths(bandwidths), fontsize=8, va="bottom", transform=axes.transAxes)
    axes.text(2e4, peak * 1.04, f"FMA peak {peak:.0f} GFLOP/s", ha="right", fontsize=9)
    markers = {
        "tacn float32": "o",
        "tacn bfloat16": "D",
        "tacn int8": "v",
        "vq lookup": "s",
        "vq fusion": "^",
    }
    for kind, marker in markers.items():
        points = [
            (c.facts["flops"] / c.facts["bytes"], 1e-9 * c.facts["flops"] / c.rounds.median(c.ours))
            for name, c in cases.items()
            if name.startswith(kind)
        ]
        if points:
            x_at, y_at = np.array(points).T
            axes.scatter(x_at, y_at, marker=marker, s=36, label=kind, zorder=3)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="operations a byte of weights",
        ylabel="GFLOP/s",
        xlim=(0.2, 2e4),
    )
    _plain(axes, "x")
    _plain(axes, "y")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.legend(frameon=False, loc="lower right")
    save()  # type: ignore[operator]


def _widths(bandwidths: Mapping[float, float]) -> str:
    rows = [f"{kib:,.0f} KiB: {bandwidths[kib]:.0f} GB/s" for kib in sorted(bandwidths)]
    return "slopes: weights read again and again\n" + "\n".join(rows)


def _plain(axes: Axes, which: str) -> None:
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())
