"""What all figures share: colours that hold for colour-blind eyes, on light and on dark pages.

The three accents are from Okabe and Ito's palette; nothing is told by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Scheme:
    """The colours of one kind of page."""

    name: str
    ink: str
    faint: str
    paper: str
    written: str = "#d55e00"
    """What is new: the token of now, what a step writes."""
    read: str = "#0072b2"
    """What is kept: what a step reads."""
    other: str = "#009e73"


SCHEMES = (
    Scheme("light", ink="#2f3437", faint="#c9cdd1", paper="#ffffff"),
    Scheme("dark", ink="#d5d8db", faint="#4a4f55", paper="#131416", read="#56b4e9"),
)


def panel(scheme: Scheme, width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of so many inches with one bare panel."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    bare(axes, scheme)
    return figure, axes


def bare(axes: Axes, scheme: Scheme) -> None:
    """Take away the frame and the ticks, and write in the page's ink."""
    axes.set_facecolor("none")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=scheme.ink)
    axes.set_xticks([])
    axes.set_yticks([])


def save(figure: Figure, path: Path) -> None:
    """Write an SVG on a transparent ground, the same bytes for the same drawing."""
    with mpl.rc_context({"svg.hashsalt": "edgeser"}):
        figure.savefig(path, transparent=True, metadata={"Date": None})
