"""What a step computes, what it reads of the past, and how far back the layers see together."""

from __future__ import annotations

from matplotlib.figure import Figure

from .model import dilations, sizes
from .style import Scheme, panel

_LAYERS = 4


def draw(scheme: Scheme) -> Figure:
    """The first layers over time: computed now, read from rings, and never computed again."""
    taps = sizes()["taps"]
    shown = dilations()[:_LAYERS]
    reach = (taps - 1) * sum(shown)
    figure, axes = panel(scheme, 9, 4.2)
    for level in range(_LAYERS + 1):
        axes.plot(range(-reach, 1), [level] * (reach + 1), "o", color=scheme.faint, markersize=3.5)
    for level, dilation in zip(range(_LAYERS, 0, -1), reversed(shown), strict=True):
        for time in _used(level, taps, shown):
            for tap in range(taps):
                line = {"color": scheme.faint, "linewidth": 0.7, "zorder": 0}
                axes.plot([time, time - tap * dilation], [level, level - 1], **line)
    for level, dilation in enumerate(shown, start=1):
        kept = [-tap * dilation for tap in range(1, taps)]
        for time in kept:
            axes.plot([0, time], [level, level - 1], color=scheme.read, linewidth=1.6)
        axes.plot([0, 0], [level, level - 1], color=scheme.written, linewidth=1.6)
        axes.plot(kept, [level - 1] * len(kept), "s", color=scheme.read, markersize=9)
    axes.plot([0] * (_LAYERS + 1), range(_LAYERS + 1), "o", color=scheme.written, markersize=9)

    axes.text(1.2, 0, "token", va="center", color=scheme.ink)
    for level, dilation in enumerate(shown, start=1):
        name = f"layer {level}, d = {dilation}"
        axes.text(1.2, level, name, va="center", color=scheme.ink)
    rest = dilations()[_LAYERS:]
    axes.text(
        1.2,
        _LAYERS + 0.45,
        f"and so on to layer {_LAYERS + len(rest)}, d = {rest[-1]}",
        va="center",
        color=scheme.ink,
    )
    axes.plot([], [], "o", color=scheme.written, markersize=9, label="computed now")
    axes.plot([], [], "s", color=scheme.read, markersize=9, label="read: kept in a ring")
    axes.plot([], [], "-", color=scheme.faint, label="what those depended on: never computed again")
    axes.legend(frameon=False, labelcolor=scheme.ink, loc="upper left")
    axes.set_xticks([0, *range(-10, -reach, -10), -reach], ["now", "-10", "-20", f"-{reach}"])
    axes.set_xlim(-reach - 1, 8.5)
    axes.set_ylim(-0.4, _LAYERS + 1.8)
    return figure


def _used(level: int, taps: int, dilations: list[int]) -> list[int]:
    """The times at which the output of layer ``level`` bears on the topmost output of now."""
    times = {0}
    for dilation in reversed(dilations[level:]):
        times |= {time - tap * dilation for time in times for tap in range(taps)}
    return sorted(times)
