"""The rings of the layers' inputs: where a token's slot is, what a step reads and writes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .model import dilations, sizes
from .style import Scheme, bare

_LAYERS = 4
_TIMES = (22, 3)


def slots(dilation: int, taps: int) -> int:
    """How many tokens a layer's ring holds."""
    return (taps - 1) * dilation


def slot(token: int, dilation: int, taps: int) -> int:
    """The slot of a token: a place that follows from its absolute position."""
    return token % slots(dilation, taps)


def reads(token: int, dilation: int, taps: int) -> dict[int, int]:
    """Slot to token of what the step of ``token`` reads; tokens before the stream are masked."""
    back = (token - tap * dilation for tap in range(1, taps))
    return {slot(past, dilation, taps): past for past in back if past >= 0}


def held(token: int, dilation: int, taps: int) -> dict[int, int]:
    """Slot to token of what the ring holds when the step of ``token`` begins."""
    first = max(0, token - slots(dilation, taps))
    return {slot(past, dilation, taps): past for past in range(first, token)}


def draw(scheme: Scheme) -> Figure:
    """The rings of the first layers as rows of slots: in the step of a late and an early token."""
    taps, width = sizes()["taps"], sizes()["width"]
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    panels = figure.subplots(2, 1)
    for axes, token in zip(panels, _TIMES, strict=True):
        bare(axes, scheme)
        title = f"step of token t = {token}"
        axes.set_title(title, loc="left", fontweight="bold", fontsize=11, color=scheme.ink)
        for row, dilation in enumerate(dilations()[:_LAYERS]):
            _row(axes, scheme, row, token, dilation, taps)
        axes.set_xlim(-6.2, 18.6)
        axes.set_ylim(-_LAYERS + 0.4, 0.7)
    _one_slot(panels[0], scheme, width)
    _legend(panels[1], scheme)
    return figure


def _row(axes: Axes, scheme: Scheme, row: int, token: int, dilation: int, taps: int) -> None:
    known, read = held(token, dilation, taps), reads(token, dilation, taps)
    written = slot(token, dilation, taps)
    name = f"layer {row + 1}: {slots(dilation, taps)} slots"
    axes.text(-0.4, -row, name, ha="right", va="center", color=scheme.ink)
    for place in range(slots(dilation, taps)):
        box = {"facecolor": "none", "edgecolor": scheme.faint, "linewidth": 1.0}
        if place in read:
            box = {"facecolor": scheme.read, "edgecolor": scheme.read, "linewidth": 1.0}
        axes.add_patch(Rectangle((place + 0.06, -row - 0.36), 0.88, 0.72, **box))
        if place == written:
            edge = {"facecolor": "none", "edgecolor": scheme.written, "linewidth": 2.6}
            axes.add_patch(Rectangle((place + 0.06, -row - 0.36), 0.88, 0.72, **edge))
        text = str(known[place]) if place in known else "·"
        colour = scheme.paper if place in read else scheme.ink
        axes.text(place + 0.5, -row, text, ha="center", va="center", color=colour, fontsize=9)


def _one_slot(axes: Axes, scheme: Scheme, width: int) -> None:
    """What is in a slot, in the room that the short rings leave."""
    left, top = 10.2, 0.4
    axes.text(left, top, "one slot:", ha="right", va="center", color=scheme.ink)
    at = left + 0.3
    axes.add_patch(Rectangle((at, top - 0.3), 4.2, 0.6, facecolor="none", edgecolor=scheme.ink))
    said = f"the layer's input, {width}"
    axes.text(at + 2.1, top, said, ha="center", va="center", color=scheme.ink)
    axes.text(at, top - 0.62, "float32 values", va="center", color=scheme.ink, fontsize=9)


def _legend(axes: Axes, scheme: Scheme) -> None:
    entries = (
        ({"facecolor": scheme.read, "edgecolor": scheme.read}, "read"),
        ({"facecolor": "none", "edgecolor": scheme.written, "linewidth": 2.6}, "then written"),
        ({"facecolor": "none", "edgecolor": scheme.faint}, "left alone"),
    )
    for row, (box, name) in enumerate(entries):
        y = 0.4 - 0.72 * row
        axes.add_patch(Rectangle((10.5, y - 0.25), 0.8, 0.5, **box))
        axes.text(11.7, y, name, va="center", color=scheme.ink)
