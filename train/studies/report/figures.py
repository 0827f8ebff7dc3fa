"""Saves the studies' figures."""

from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt


def save(figure: Any, path: Path) -> None:
    """Applies the common style of axes, writes the figure to ``path`` and closes it."""
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    figure.savefig(path, dpi=110)
    plt.close(figure)
