"""The SDK's verdicts on recordings: each alone after something else, or many in a session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

import edgeser
from train.data.manifest import Recording
from train.judge.sounds import SAMPLE_RATE, floor_of

Samples = NDArray[np.float32]
AFTER = 1.5
"""Seconds of a recording's own noise floor after it; longer than the hangover and the pause."""

LEAST_OVERLAP = 0.1
"""Seconds by which an utterance must overlap a recording to belong to it."""

Before = Callable[[Samples, np.random.Generator], Samples]
"""The audio before a recording."""


@dataclass(frozen=True)
class Heard:
    """The result for one recording."""

    recording: Recording
    probabilities: tuple[float, ...]
    """Uniform if it was not found."""
    label: str | None
    found: bool
    start: float = 0.0
    """Seconds from the recording's start to the start in the event."""
    before: int = 0
    """Utterances before it in the session."""


def alone(
    model: edgeser.Model,
    recordings: Sequence[tuple[Recording, Samples]],
    before: Before,
    rate: int = SAMPLE_RATE,
    gain_db: float = 0.0,
    seed: int = 0,
) -> list[Heard]:
    """Each recording in a new stream, after the audio of ``before``."""
    heard = []
    for number, (recording, samples) in enumerate(recordings):
        rng = np.random.default_rng([seed, number])
        lead = before(samples, rng)
        sound = np.concatenate([lead, samples, floor_of(samples, AFTER, rng)])
        span = (len(lead) / SAMPLE_RATE, (len(lead) + len(samples)) / SAMPLE_RATE)
        events = listen(model, sound, rate, gain_db)
        heard.append(_match(model, recording, span, events, 0))
    return heard


def session(
    model: edgeser.Model,
    recordings: Sequence[tuple[Recording, Samples]],
    gap: float = 2.0,
    seed: int = 0,
) -> list[Heard]:
    """One stream with these recordings in order, separated by their own noise floors."""
    rng = np.random.default_rng(seed)
    parts, spans, place = [], [], 0
    for _, samples in recordings:
        quiet = floor_of(samples, gap, rng)
        parts += [quiet, samples]
        place += len(quiet)
        spans.append((place / SAMPLE_RATE, (place + len(samples)) / SAMPLE_RATE))
        place += len(samples)
    parts.append(floor_of(recordings[-1][1], AFTER, rng))
    events = listen(model, np.concatenate(parts), SAMPLE_RATE, 0.0)
    return [
        _match(model, recording, span, events, number)
        for number, ((recording, _), span) in enumerate(zip(recordings, spans, strict=True))
    ]


def listen(
    model: edgeser.Model, sound: Samples, rate: int, gain_db: float
) -> list[edgeser.Utterance]:
    """The utterances that the SDK finds in audio at 16 kHz, resampled to ``rate``."""
    if rate != SAMPLE_RATE:
        sound = soxr.resample(sound, SAMPLE_RATE, rate, quality="VHQ").astype(np.float32)
    sound = np.clip(sound * np.float32(10 ** (gain_db / 20)), -1, 1)
    utterances, events = edgeser.Utterances(model, rate), []
    for start in range(0, len(sound), rate):
        events += utterances.process(sound[start : start + rate])
    events += utterances.flush()
    return [event for event in events if isinstance(event, edgeser.Utterance)]


def utterance_of(
    span: tuple[float, float], events: Sequence[edgeser.Utterance]
) -> edgeser.Utterance | None:
    """The utterance with the largest overlap with a recording's span in seconds, if any."""
    overlaps = [min(e.end, span[1]) - max(e.start, span[0]) for e in events]
    best = int(np.argmax(overlaps)) if overlaps else -1
    return events[best] if best >= 0 and overlaps[best] > LEAST_OVERLAP else None


def _match(
    model: edgeser.Model,
    recording: Recording,
    span: tuple[float, float],
    events: Sequence[edgeser.Utterance],
    before: int,
) -> Heard:
    """The result for a recording from the utterance that belongs to it, if any."""
    event = utterance_of(span, events)
    if event is None:
        equal = (1 / len(model.labels),) * len(model.labels)
        return Heard(recording, equal, None, False, before=before)
    verdict = event.verdict
    return Heard(
        recording,
        tuple(verdict.probabilities[label] for label in model.labels),
        verdict.label,
        True,
        event.start - span[0],
        before,
    )


@dataclass(frozen=True)
class Figures:
    """Scores of verdicts. A recording that was not found counts as wrong."""

    ua: float
    recalls: tuple[float, ...]
    calibration_error: float
    missed: int
    count: int
    labelled: float
    """Share of verdicts with a label."""
    right: float
    """Share of these that is right."""

    @staticmethod
    def of(heard: Sequence[Heard], labels: Sequence[str]) -> "Figures":
        """Scores of verdicts on recordings of the given emotions."""
        truth = np.array([labels.index(h.recording.emotion) for h in heard])
        said = np.array([int(np.argmax(h.probabilities)) if h.found else -1 for h in heard])
        sure = np.array([max(h.probabilities) for h in heard])
        recalls = [
            float((said[truth == k] == k).mean()) if (truth == k).any() else float("nan")
            for k in range(len(labels))
        ]
        bins, error = np.minimum((sure * 10).astype(int), 9), 0.0
        for b in range(10):
            inside = bins == b
            if inside.any():
                gap = abs(sure[inside].mean() - (said == truth)[inside].mean())
                error += float(gap) * inside.mean()
        named = [h for h in heard if h.label is not None]
        right = np.mean([h.label == h.recording.emotion for h in named]) if named else 0.0
        return Figures(
            float(np.nanmean(recalls)),
            tuple(recalls),
            float(error),
            int((said < 0).sum()),
            len(heard),
            len(named) / max(len(heard), 1),
            float(right),
        )
