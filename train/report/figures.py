"""The report's drawings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

COLOURS = {"emodb": "#4a7fb5", "cremad": "#d1495b", "ravdess": "#e0a030"}
NAMES = {
    "emodb": "EmoDB (unheard speakers)",
    "cremad": "CREMA-D, reconstructed (unheard speakers)",
    "ravdess": "RAVDESS (unheard corpus)",
}

Rows = Mapping[str, Sequence[Mapping[str, float]]]


def reliability(path: Path, rows: Rows) -> None:
    """Accuracy against confidence; the diagonal is honest."""
    figure, axis = plt.subplots(figsize=(5.2, 5), layout="constrained")
    axis.plot([0.25, 1], [0.25, 1], color="#5c6b73", lw=1, ls="--", label="honest")
    for corpus, bins in rows.items():
        size = [12 + 240 * b["count"] / sum(b["count"] for b in bins) for b in bins]
        x, y = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
        axis.plot(x, y, color=COLOURS[corpus], lw=1.2, alpha=0.6)
        axis.scatter(x, y, s=size, color=COLOURS[corpus], label=NAMES[corpus])
    axis.set(xlim=(0.2, 1), ylim=(0, 1), xlabel="confidence", ylabel="share of right verdicts")
    axis.legend(frameon=False, fontsize=9)
    save(figure, path)


def early(path: Path, rows: Mapping[str, Mapping[str, float]]) -> None:
    """UA of the verdict as speech goes on."""
    figure, axis = plt.subplots(figsize=(5.6, 4), layout="constrained")
    for corpus, scores in rows.items():
        axis.plot(
            range(len(scores)),
            list(scores.values()),
            marker="o",
            color=COLOURS[corpus],
            label=NAMES[corpus],
        )
    times = [key if key == "end" else f"{key} s" for key in next(iter(rows.values()))]
    axis.set_xticks(range(len(times)), times)
    axis.axhline(0.25, color="#5c6b73", lw=1, ls="--")
    axis.text(0, 0.26, "chance", color="#5c6b73", fontsize=9)
    axis.set(xlabel="speech heard", ylabel="UA of the verdict", ylim=(0.2, 0.9))
    axis.legend(frameon=False, fontsize=9)
    save(figure, path)


def abstention(path: Path, rows: Rows, threshold: float) -> None:
    """Accuracy of the labelled verdicts against how many are labelled."""
    figure, axis = plt.subplots(figsize=(5.6, 4), layout="constrained")
    for corpus, points in rows.items():
        kept = [p for p in points if p["coverage"] >= 0.02]
        axis.plot(
            [p["coverage"] for p in kept],
            [p["accuracy"] for p in kept],
            color=COLOURS[corpus],
            label=NAMES[corpus],
        )
        chosen = min(points, key=lambda p: abs(p["threshold"] - threshold))
        axis.scatter(chosen["coverage"], chosen["accuracy"], color=COLOURS[corpus], zorder=3)
    axis.set(xlabel="share of verdicts with a label", ylabel="share of these that is right")
    axis.set_title(f"dots: the bundle's threshold, {threshold:.2f}", fontsize=10)
    axis.legend(frameon=False, fontsize=9)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a figure with the house's axes and close it."""
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    figure.savefig(path, dpi=110)
    plt.close(figure)
