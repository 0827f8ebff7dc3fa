"""Where the time between a sound and its frame goes, from the last benchmark's own file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .model import sizes
from .style import Scheme, bare

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "amd-epyc.json"


@cache
def measured() -> dict[str, Any]:
    """The file that ``python -m bench`` wrote last."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8")))


def parts() -> dict[str, float]:
    """Microseconds of a hop's computing, flat out: medians of each part alone, and the rest."""
    native, width = measured()["native"][measured()["simd"]], sizes()["width"]
    seconds = {
        "front end": median(measured()["contests"]["front end 1"]["seconds"]["edgeser"]),
        "VQ lookup and fusion": median(native["vq fusion 1"]["seconds"]["fuse"]),
        "TACN step": median(native[f"tacn float32 C={width} B=1"]["seconds"]["step"]),
    }
    whole = median(measured()["latency_seconds"]["flat_out"])
    # Parts measured alone may come out slower than together; then there is no rest to show.
    if (rest := whole - sum(seconds.values())) > 0:
        seconds["the rest, Python included"] = rest
    return {name: 1e6 * took for name, took in seconds.items()}


def draw(scheme: Scheme) -> Figure:
    """A hop, of which a sliver is computing, and that sliver by its parts."""
    hop = 1000 * sizes()["hop"] / sizes()["sample_rate"]
    awake, late = 1000 * np.percentile(measured()["latency_seconds"]["real_time"], [50, 99])
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(1, 1.4))
    for axes in (upper, lower):
        bare(axes, scheme)

    upper.barh(0, hop, height=0.5, color=scheme.faint)
    upper.barh(0, max(awake, hop / 200), left=hop, height=0.5, color=scheme.written)
    waiting = f"sound waits until its hop is full: 0 to {hop:.0f} ms, {hop / 2:.0f} on average"
    upper.text(hop / 2, 0, waiting, ha="center", va="center", color=scheme.ink)
    computing = (
        f"then {awake:.2f} ms of computing (median; 99th percentile {late:.1f} ms: "
        f"the machine {measured()['shared']})"
    )
    upper.text(hop, 0.45, computing, ha="right", color=scheme.ink)
    upper.set_xlim(0, hop * 1.01)
    upper.set_ylim(-0.4, 0.8)

    _computing(lower, scheme)
    return figure


def _computing(axes: Axes, scheme: Scheme) -> None:
    took = parts()
    colours = (scheme.read, scheme.other, scheme.written, scheme.faint)
    labels = ((-0.45, "center"), (-0.45, "right"), (-0.85, "center"), (-0.45, "left"))
    left = 0.0
    for (name, part), colour, (height, side) in zip(took.items(), colours, labels, strict=False):
        axes.barh(0, part, left=left, height=0.5, color=colour, edgecolor=scheme.paper)
        middle = left + part / 2
        axes.plot([middle, middle], [-0.25, height + 0.15], color=scheme.ink, linewidth=0.8)
        text = f"{name}, {part:.0f} µs"
        axes.text(middle, height, text, ha=side, va="center", color=scheme.ink)
        left += part
    title = (
        f"The same flat out, with everything in cache: {sum(took.values()):.0f} µs "
        f"({measured()['machine']}, one thread)"
    )
    axes.text(0, 0.45, title, color=scheme.ink)
    axes.set_xlim(0, left * 1.12)
    axes.set_ylim(-1.05, 0.8)
