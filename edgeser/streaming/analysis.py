"""A whole recording through a stream of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from edgeser.audio.recording import open_recording
from edgeser.results import Analysis, EmotionFrame

if TYPE_CHECKING:
    from edgeser.model import Model
    from edgeser.streaming.detection import SpeechDetector
    from edgeser.streaming.utterances import Endpointing, Utterance


def analyze(
    model: Model,
    source: str | os.PathLike[str] | npt.NDArray[Any],
    sample_rate: int | None,
    progress: Callable[[float, float], object] | None,
) -> Analysis:
    """See :meth:`edgeser.Model.analyze`."""
    frames: list[EmotionFrame] = []
    with open_recording(source, sample_rate) as recording:
        stream = model.stream(recording.sample_rate)
        total = recording.length / recording.sample_rate
        for block in recording.blocks:
            frames += stream.process(block)
            if progress is not None:
                progress(stream.position, total)
    verdict = stream.flush()
    return Analysis(
        source=recording.source,
        sample_rate=recording.sample_rate,
        duration=verdict.duration,
        frames=(*frames, *verdict.frames),
        verdict=verdict,
    )


def utterances_of(
    model: Model,
    source: str | os.PathLike[str],
    rules: Endpointing | None = None,
    *,
    detector: SpeechDetector | None = None,
    progress: Callable[[float, float], object] | None = None,
) -> list[Utterance]:
    """A whole recording, utterance by utterance; otherwise as :meth:`edgeser.Model.analyze`."""
    from edgeser.streaming.utterances import Utterance, Utterances

    events: list[object] = []
    with open_recording(source, None) as recording:
        utterances = Utterances(model, recording.sample_rate, rules, detector=detector)
        done, total = 0, recording.length
        for block in recording.blocks:
            events += utterances.process(block)
            done += len(block)
            if progress is not None:
                progress(done / recording.sample_rate, total / recording.sample_rate)
    events += utterances.flush()
    return [event for event in events if isinstance(event, Utterance)]
