"""The rows of a table of results: one for each recording, utterance or frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from edgeser.cli.formats import Columns, Row
from edgeser.cli.options import Vad, detector_of
from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.streaming.analysis import utterances_of
from edgeser.streaming.utterances import Utterance

Kind = Literal["files", "utterances", "frames"]
Progress = Callable[[float, float], object]

_OWN: dict[Kind, Columns] = {
    "files": {
        "duration": float,
        "sample_rate": int,
        "label": str,
        "confidence": float,
        "speech_seconds": float,
    },
    "utterances": {
        "start": float,
        "end": float,
        "ended": str,
        "label": str,
        "confidence": float,
        "speech_seconds": float,
    },
    "frames": {"time": float, "label": str, "confidence": float, "speech": float, "level": float},
}


def columns(kind: Kind, model: Model) -> Columns:
    """Name to type; after those of the kind, the probability of each label."""
    return {**_OWN[kind], **{f"p_{label}": float for label in model.labels}}


def columns_of(names: Sequence[str]) -> Columns | None:
    """Those of a table with columns of these names; None if no kind has them."""
    for own in _OWN.values():
        labels = names[1 + len(own) : -1]
        wanted = ["file", *own, *labels, "made_by"]
        if list(names) == wanted and all(name.startswith("p_") for name in labels):
            return {**own, **dict.fromkeys(labels, float)}
    return None


def rows(kind: Kind, model: Model, file: Path, vad: Vad, progress: Progress) -> list[Row]:
    """The rows of one recording. Raises AudioError if it cannot be used."""
    if kind == "utterances":
        spoken = utterances_of(model, file, detector=detector_of(vad), progress=progress)
        return list(map(utterance_row, spoken))
    analysis = model.analyze(file, progress=progress)
    if kind == "frames":
        return list(map(frame_row, analysis.frames))
    verdict = analysis.verdict
    return [
        (
            analysis.duration,
            analysis.sample_rate,
            verdict.label,
            verdict.confidence,
            verdict.speech_seconds,
            *verdict.probabilities.values(),
        )
    ]


def utterance_row(spoken: Utterance) -> Row:
    """That of a table of utterances."""
    verdict = spoken.verdict
    own = (spoken.start, spoken.end, spoken.ended, spoken.label)
    return (*own, verdict.confidence, verdict.speech_seconds, *verdict.probabilities.values())


def frame_row(frame: EmotionFrame) -> Row:
    """That of a table of frames."""
    own = (frame.time, frame.label, frame.confidence, frame.speech, frame.level)
    return (*own, *frame.probabilities.values())
