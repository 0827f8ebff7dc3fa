"""How good a model of own emotions is, by how many speakers it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from .style import Scheme, bare

RESULTS = Path(__file__).parents[1] / "model" / "own-data.json"


def measured() -> dict[str, Any]:
    """The file that ``python -m train amount`` wrote last."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8")))


def draw(scheme: Scheme) -> Figure:
    """UA against speakers, with intervals, and chance below."""
    found = measured()
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    bare(axes, scheme)
    groups: dict[int, list[dict[str, Any]]] = {}
    for point in found["points"]:
        groups.setdefault(point["speakers"], []).append(point)
    places = range(len(groups))
    heights = [fmean(p["ua"] for p in group) for group in groups.values()]
    axes.plot(places, heights, color=scheme.read, marker="o")
    for place, height, (speakers, group) in zip(places, heights, groups.items(), strict=True):
        low, high = min(p["interval"][0] for p in group), max(p["interval"][1] for p in group)
        axes.plot([place, place], [low, high], color=scheme.read, linewidth=1)
        recordings = round(fmean(p["recordings"] for p in group))
        people = f"{speakers} speaker{'s' * (speakers > 1)}\n{recordings} recordings"
        axes.text(place, -0.04, people, ha="center", va="top", color=scheme.ink)
        axes.text(place + 0.04, height + 0.025, f"{height:.2f}", va="bottom", color=scheme.ink)
    chance = 1 / len(found["labels"])
    axes.axhline(chance, color=scheme.faint, linestyle="--", linewidth=1)
    axes.text(-0.45, chance + 0.01, f"chance, {chance:.2f}", va="bottom", color=scheme.ink)
    axes.text(-0.45, 1.02, f"UA of {len(found['labels'])} emotions", va="bottom", color=scheme.ink)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.set_ylim(-0.2, 1.1)
    return figure
