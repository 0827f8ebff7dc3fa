"""A recording's timeline as a figure: sound, speech score, emotions. Needs the extra ``plot``."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeser.audio.recording import open_recording
from edgeser.errors import AudioError, MissingExtraError
from edgeser.files import write_whole
from edgeser.palette import SPEECH, colours
from edgeser.results import Analysis, says_something

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 1600
_MOST_EDGES = 600  # white lines between bands, as long as they do not cover them
_INK = "#2f3437"
_GRID = "#d9dcdf"
_LONGEST_NAME = 24
"""Letters of a label; longer ones end in an ellipsis."""


def envelope(
    source: str | os.PathLike[str] | npt.NDArray[Any], sample_rate: int | None = None
) -> npt.NDArray[np.float32]:
    """The lowest and highest sample in each of some 1600 equal stretches: (bins, 2) float32.

    Read block by block, twice; channels are averaged. Arguments and errors are those of
    :meth:`edgeser.Model.analyze`.
    """
    with open_recording(source, sample_rate) as recording:
        length = sum(map(len, recording.blocks))  # what a file says of it may be wrong
    bins = min(_BINS, length)
    lows, highs = np.zeros(bins, np.float32), np.zeros(bins, np.float32)
    at = 0
    with open_recording(source, sample_rate) as recording:
        for block in recording.blocks:
            scale = 1 / 32768 if block.dtype == np.int16 else 1.0
            mono = block.reshape(len(block), -1).mean(axis=1) * scale
            places = np.arange(at, at + len(mono)) * bins // length
            at += len(mono)
            np.minimum.at(lows, np.minimum(places, bins - 1), mono)
            np.maximum.at(highs, np.minimum(places, bins - 1), mono)
    return np.stack((lows, highs), axis=1)


def timeline(analysis: Analysis, waveform: npt.NDArray[np.float32] | None = None) -> Figure:
    """Draws an analysis. ``waveform`` comes from :func:`envelope`; None omits it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure_class = _figure_class()
    heights = [1.0, 0.55, 1.9] if waveform is not None else [0.55, 1.9]
    figure: Figure = figure_class(figsize=(11, 5.2 if waveform is not None else 4.0))
    axes: list[Axes] = list(
        figure.subplots(
            len(heights), 1, sharex=True, height_ratios=heights, gridspec_kw={"hspace": 0.12}
        )
    )
    if waveform is not None:
        _draw_waveform(axes[0], waveform, analysis.duration)
    _draw_speech(axes[-2], analysis)
    _draw_emotions(axes[-1], analysis)
    for axis in axes:
        _tidy(axis)
    axes[-1].set_xlim(0, analysis.duration)
    axes[-1].set_xlabel("seconds", color=_INK)
    figure.align_ylabels(axes)
    title = figure.suptitle(_title(analysis), x=0.075, y=0.975, ha="left", fontsize=13)
    title.set(color=_INK, parse_math=False)  # a dollar sign in a name is one
    longest = min(max(map(len, analysis.verdict.probabilities)), _LONGEST_NAME)
    room = 0.87 - 0.0105 * max(0, longest - 8)  # for the names at the right
    figure.subplots_adjust(left=0.075, right=room, top=0.9, bottom=0.1)
    return figure


def save_timeline(analysis: Analysis, path: str | os.PathLike[str]) -> None:
    """Draws the timeline of an analysed file into an image; its extension selects the format.

    Raises:
        MissingExtraError: matplotlib is not installed.
        AudioError: the file of the analysis cannot be read, or the path is not that of an image.
        OSError: the image cannot be written.
    """
    check_plot_path(Path(path))
    waveform = None if analysis.source is None else envelope(analysis.source)
    save_figure(timeline(analysis, waveform), path, dpi=150, facecolor="white")


def save_figure(figure: Figure, path: str | os.PathLike[str], **options: Any) -> None:
    """Writes a figure of matplotlib atomically; options are those of ``savefig``.

    Raises:
        OSError: it cannot be written.
    """
    image = io.BytesIO()
    figure.savefig(image, format=Path(path).suffix.lstrip(".").lower(), **options)
    write_whole(path, image.getbuffer())


def check_plot_path(path: Path) -> None:
    """Checks before a long analysis that a plot can be drawn and written to ``path``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        AudioError: no image can be written there.
    """
    known = _figure_class()().canvas.get_supported_filetypes()
    ending = path.suffix.lstrip(".").lower()
    if ending not in known:
        raise AudioError(f"{path}: end it in one of {', '.join(sorted(known))}")
    if not path.absolute().parent.is_dir():
        raise AudioError(f"{path}: there is no folder {path.parent}: make it first")


def _figure_class() -> type[Figure]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'edgeser[plot]'") from error
    return Figure  # not pyplot: no global state, no display


def _draw_waveform(axis: Axes, waveform: npt.NDArray[np.float32], duration: float) -> None:
    at = (np.arange(len(waveform)) + 0.5) * duration / len(waveform)
    axis.fill_between(at, waveform[:, 0], waveform[:, 1], color=_INK, linewidth=0)
    loudest = max(float(np.abs(waveform).max()), 1e-3)
    axis.set_ylim(-1.05 * loudest, 1.05 * loudest)
    axis.set_yticks([])
    axis.set_ylabel("sound", color=_INK)


def _draw_speech(axis: Axes, analysis: Analysis) -> None:
    edges = _edges(analysis)
    speech = [frame.speech for frame in analysis.frames]
    axis.stairs(speech, edges, fill=True, color=SPEECH, alpha=0.35)
    axis.stairs(speech, edges, color=SPEECH, linewidth=1.2, baseline=None)
    axis.set_ylim(0, 1.05)
    axis.set_yticks([0, 1])
    axis.set_ylabel("speech", color=_INK)


def _draw_emotions(axis: Axes, analysis: Analysis) -> None:
    """Stacked bands of probability: pale without a label, empty without speech."""
    edges = _edges(analysis)
    frames = analysis.frames
    labels = tuple(analysis.verdict.probabilities)
    shades = colours(labels)
    shares = np.array([[frame.probabilities[label] for label in labels] for frame in frames])
    shares = shares.reshape(-1, len(labels))
    shares[[not says_something(frame) for frame in frames]] = 0
    tops = np.cumsum(shares, axis=1)
    bottom = np.zeros(len(frames))
    heard = np.array([frame.label is not None for frame in frames])
    for column, label in enumerate(labels):
        top = tops[:, column]
        for mask, alpha in ((heard, 1.0), (~heard, 0.18)):
            axis.stairs(
                np.where(mask, top, bottom),
                edges,
                baseline=bottom,
                fill=True,
                color=shades[label],
                alpha=alpha,
                linewidth=0,
            )
        if len(frames) < _MOST_EDGES:
            axis.stairs(top, edges, color="white", linewidth=0.6, baseline=None)
        bottom = top
    _name_bands(axis, analysis, shades)
    axis.set_ylim(0, 1)
    axis.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axis.set_ylabel("emotion (pale: no label)", color=_INK)


def _name_bands(axis: Axes, analysis: Analysis, shades: dict[str, str]) -> None:
    """Names at the right, stacked like the bands, with the verdict's probabilities."""
    shares = analysis.verdict.probabilities
    for row, (label, share) in enumerate(shares.items()):
        likeliest = label == analysis.verdict.label
        name = label if len(label) <= _LONGEST_NAME else f"{label[: _LONGEST_NAME - 1]}…"
        axis.text(
            1.015,
            (row + 0.5) / len(shares),
            f"{name} {share:.0%}",
            transform=axis.transAxes,
            color=shades[label],
            va="center",
            fontsize=11,
            fontweight="bold" if likeliest else "normal",
            parse_math=False,
        )


def _edges(analysis: Analysis) -> npt.NDArray[np.float64]:
    times = [frame.time for frame in analysis.frames]
    return np.array([0.0, *times])


def _tidy(axis: Axes) -> None:
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(_GRID)
    axis.tick_params(colors=_INK, length=0)
    axis.set_axisbelow(True)


def _title(analysis: Analysis) -> str:
    verdict = analysis.verdict
    name = "recording" if analysis.source is None else Path(analysis.source).name
    return (
        f"{name}: {verdict.summary}, {verdict.confidence:.0%} "
        f"(speech in {verdict.speech_seconds:.1f} of {verdict.duration:.1f} s)"
    )
