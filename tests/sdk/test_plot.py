"""Plots: drawn with the right size; a clear error without matplotlib."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.cli.demo import SAMPLE
from edgeser.cli.timeline import Timeline
from edgeser.palette import colours
from tests import toy
from tests.sounds import noise

pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import StepPatch

from edgeser import plot


def test_the_envelope_holds_every_sample() -> None:
    sound = noise(50_000, level=0.2)
    waveform = plot.envelope(sound, 16_000)
    assert waveform.shape == (1600, 2)
    assert waveform[:, 0].min() == sound.min()
    assert waveform[:, 1].max() == sound.max()
    whole_numbers = np.round(sound * 10_000).astype(np.int16)
    assert plot.envelope(whole_numbers, 16_000).max() == pytest.approx(whole_numbers.max() / 32_768)
    assert plot.envelope(noise(10), 16_000).shape == (10, 2)


def test_a_timeline_is_drawn(toy_model: edgeser.Model, tmp_path: Path) -> None:
    analysis = toy_model.analyze(SAMPLE)
    plot.save_timeline(analysis, tmp_path / "timeline.png")
    from matplotlib.image import imread

    image = imread(tmp_path / "timeline.png")
    assert image.shape[1] == 1650
    assert image[..., :3].std() > 0.1  # not an empty sheet

    figure = plot.timeline(analysis)
    titles = figure.get_suptitle()
    assert "voices.ogg" in titles
    assert str(analysis.verdict.label) in titles
    names = {text.get_text().split()[0] for text in figure.axes[-1].texts}
    assert names == set(toy_model.labels)


def test_where_nobody_speaks_nothing_is_drawn(toy_model: edgeser.Model) -> None:
    labels = toy_model.labels
    equal = dict.fromkeys(labels, 1 / len(labels))
    other = {label: float(label == labels[0]) for label in labels}
    analysis = toy_model.analyze(noise(32_000), 16_000)
    frames = [
        dataclasses.replace(frame, label=None, probabilities=other if spoken else equal)
        for frame, spoken in zip(analysis.frames, [True, False] * 99, strict=False)
    ]
    figure = plot.timeline(dataclasses.replace(analysis, frames=frames))
    tops = [
        patch.get_data().values
        for patch in figure.axes[-1].patches
        if isinstance(patch, StepPatch) and patch.get_fill()
    ]
    tallest = np.max(tops, axis=0)
    assert tallest[::2] == pytest.approx(1)
    assert tallest[1::2] == pytest.approx(0)
    lines = Timeline(toy_model, analysis.duration, 1_000).draw(frames)
    rows = [str(cell) for cell in lines.columns[1].cells][: len(labels)]
    assert "█" in rows[0]
    assert all(set(row) == {" "} for row in rows[1:])


def test_an_array_can_be_drawn_too(toy_model: edgeser.Model) -> None:
    sound = noise(1_000)
    analysis = toy_model.analyze(sound, 16_000)
    figure = plot.timeline(analysis, plot.envelope(sound, 16_000))
    assert len(figure.axes) == 3
    assert figure.get_suptitle().startswith("recording")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(edgeser.MissingExtraError, match=r"edgeser\[plot\]"):
        plot.check_plot_path(Path("x.png"))


def test_places_where_nothing_can_be_drawn(tmp_path: Path) -> None:
    plot.check_plot_path(tmp_path / "x.svg")
    with pytest.raises(edgeser.AudioError, match="end it in one of"):
        plot.check_plot_path(tmp_path / "x.docx")
    with pytest.raises(edgeser.AudioError, match="make it first"):
        plot.check_plot_path(tmp_path / "nowhere" / "x.png")


def test_names_of_any_length_stay_inside_the_picture(tmp_path: Path) -> None:
    labels = ["surprised", "a mixture of awe and dread that has no name", "calm", "contemplative"]
    model = edgeser.load(toy.write(tmp_path / "own.edgeser", labels=labels))
    analysis = model.analyze(noise(8_000), 16_000)
    for label in labels:  # the likeliest is in bold, and wider
        shares = {other: float(other == label) for other in labels}
        verdict = dataclasses.replace(analysis.verdict, label=label, probabilities=shares)
        figure = plot.timeline(dataclasses.replace(analysis, verdict=verdict))
        FigureCanvasAgg(figure).draw()
        ends = [name.get_window_extent().x1 for name in figure.axes[-1].texts]
        assert len(ends) == len(labels)
        assert max(ends) <= figure.bbox.x1


@pytest.mark.parametrize(
    "labels", [("anger", "happiness", "sadness", "neutral"), ("happy", "joy", "x", "y", "z", "w")]
)
def test_every_label_has_a_colour_of_its_own(labels: tuple[str, ...]) -> None:
    chosen = colours(labels)
    assert tuple(chosen) == labels
    assert len(set(chosen.values())) == len(labels)
