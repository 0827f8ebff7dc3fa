"""How chunks, hops and segments lie on the time axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import edgeser

from .model import sizes
from .style import Scheme, panel

_FRAMES = 5
_CHUNK = 20.0  # ms
_SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def draw(scheme: Scheme) -> Figure:
    """Sound, chunks, five segments that overlap by half, and the frames at their ends."""
    facts = sizes()
    milliseconds = 1000 / facts["sample_rate"]
    hop, length = facts["hop"] * milliseconds, facts["segment"] * milliseconds
    last = _FRAMES * hop
    figure, axes = panel(scheme, 9, 4.4)

    sound, rate = soundfile.read(_SAMPLE, start=22050, frames=int(last / 1000 * 22050))
    peaks = np.abs(sound[: len(sound) // 40 * 40]).reshape(-1, 40).max(axis=1)
    at = (np.arange(len(peaks)) + 0.5) * 40 / rate * 1000
    height = 0.45 * peaks / peaks.max()
    axes.fill_between(at, -height, height, color=scheme.ink, linewidth=0)
    axes.text(-8, 0, "sound", ha="right", va="center", color=scheme.ink)

    starts = np.arange(0, last, _CHUNK)
    axes.barh(
        np.full(len(starts), -1.0), _CHUNK - 3, left=starts + 1.5, height=0.35, color=scheme.faint
    )
    axes.text(-8, -1, "chunks pushed", ha="right", va="center", color=scheme.ink)

    for frame in range(_FRAMES):
        end, row = (frame + 1) * hop, -2.0 - frame
        new = frame == _FRAMES - 1
        axes.barh(row, length - hop, left=end - length, height=0.55, color=scheme.read, alpha=0.35)
        axes.barh(row, hop, left=end - hop, height=0.55, color=scheme.read)
        if end < length:  # zeros before the stream began
            outside = {"height": 0.55, "facecolor": "none", "edgecolor": scheme.ink}
            axes.barh(row, end - length, left=0, hatch="////", linewidth=0.8, **outside)
            axes.text(end - length - 8, row, "zeros", ha="right", va="center", color=scheme.ink)
        axes.plot([end, end], [row + 0.28, 0.55], color=scheme.faint, linewidth=0.8, zorder=0)
        axes.plot(end, row, "o", color=scheme.written, markersize=7, clip_on=False)
        axes.text(
            end + 9,
            row,
            f"frame at {end:.0f} ms",
            va="center",
            color=scheme.ink,
            fontweight="bold" if new else "normal",
        )
    newest = -2.0 - (_FRAMES - 1)
    _measure(axes, scheme, last - length, last, newest - 0.75, f"a segment, {length:.0f} ms")
    _measure(axes, scheme, last - hop, last, newest - 1.6, f"a hop, {hop:.0f} ms: new sound")
    axes.set_xlim(-length + hop - 70, last + 120)
    axes.set_ylim(newest - 2.1, 0.6)
    return figure


def _measure(axes: Axes, scheme: Scheme, begin: float, end: float, y: float, text: str) -> None:
    line = {"arrowstyle": "<->", "color": scheme.ink, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (begin, y), (end, y), arrowprops=line)
    axes.text(begin - 8, y, text, ha="right", va="center", color=scheme.ink)
