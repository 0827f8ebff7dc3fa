"""Runs your own recordings through the SDK's streams and keeps every frame.

The bundle has temperature 1. Verdicts at other temperatures follow exactly from its frames, so one
pass is enough to choose temperature and threshold, and to test.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import edgeser
from edgeser.reference.verdict import shares
from edgeser.results import says_something
from train.data.manifest import Recording
from train.finetune.recordings import Own
from train.judge.hearing import AFTER, Heard, listen, utterance_of
from train.judge.sounds import SAMPLE_RATE, floor_of

BEFORE = 1.0
"""Seconds of a recording's own noise floor before it."""
GAP = 2.0
"""Seconds of noise floor between two recordings of a session."""


@dataclass(frozen=True)
class Frames:
    """Frames of one recording: probabilities (T, L) and speech (T,).

    Empty if no utterance was found.
    """

    recording: Recording
    probabilities: NDArray[np.float64]
    speech: NDArray[np.float64]
    seconds: float
    """Seconds of speech."""
    before: int
    """Utterances before it in the session."""
    truth: int
    """Index of its emotion."""

    def at(self, temperature: float) -> NDArray[np.float64]:
        """The verdict's probabilities (L,) at a temperature; uniform if it was not found."""
        powers = np.power(np.maximum(self.probabilities, 1e-12), 1 / temperature)
        return shares(powers / powers.sum(1, keepdims=True), list(self.speech))

    def heard(
        self, labels: Sequence[str], temperature: float, confidence: float, shortest: float
    ) -> Heard:
        """The verdict of a bundle with this temperature and these thresholds."""
        probabilities = self.at(temperature)
        best = int(probabilities.argmax())
        named = self.seconds >= shortest and probabilities[best] >= confidence
        found = len(self.speech) > 0
        return Heard(
            self.recording,
            tuple(probabilities.tolist()),
            labels[best] if found and named else None,
            found,
            before=self.before,
        )

    def among(self, model: Sequence[str], labels: Sequence[str]) -> "Frames":
        """The same for a model with more labels, restricted to these."""
        some = self.probabilities[:, [model.index(label) for label in labels]]
        some = some / np.maximum(some.sum(1, keepdims=True), 1e-12)
        truth = labels.index(self.recording.emotion)
        return Frames(self.recording, some, self.speech, self.seconds, self.before, truth)


def each_alone(model: edgeser.Model, own: Own) -> list[Frames]:
    """Each recording in its own stream, after a second of its own noise floor."""
    found = []
    for number, (recording, samples) in enumerate(zip(own.recordings, own.audio, strict=True)):
        rng = np.random.default_rng([1, number])
        lead = floor_of(samples, BEFORE, rng)
        sound = np.concatenate([lead, samples, floor_of(samples, AFTER, rng)])
        span = (len(lead) / SAMPLE_RATE, (len(lead) + len(samples)) / SAMPLE_RATE)
        events = listen(model, sound, SAMPLE_RATE, 0.0)
        found.append(_matched(model, recording, span, events, 0))
    return found


def in_sessions(model: edgeser.Model, own: Own, seed: int = 0) -> list[Frames]:
    """One stream for each speaker, with all recordings in random order."""
    by_speaker: dict[str, list[int]] = defaultdict(list)
    for i, recording in enumerate(own.recordings):
        by_speaker[recording.speaker].append(i)
    found = []
    for number, (_, indices) in enumerate(sorted(by_speaker.items())):
        rng = np.random.default_rng([seed, number])
        parts, spans, place = [], [], 0
        order = [indices[i] for i in rng.permutation(len(indices))]
        for i in order:
            quiet = floor_of(own.audio[i], GAP, rng)
            parts += [quiet, own.audio[i]]
            begin = place + len(quiet)
            place = begin + len(own.audio[i])
            spans.append((begin / SAMPLE_RATE, place / SAMPLE_RATE))
        parts.append(floor_of(own.audio[order[-1]], AFTER, rng))
        events = listen(model, np.concatenate(parts), SAMPLE_RATE, 0.0)
        found += [
            _matched(model, own.recordings[i], span, events, before)
            for before, (i, span) in enumerate(zip(order, spans, strict=True))
        ]
    return found


def _matched(
    model: edgeser.Model,
    recording: Recording,
    span: tuple[float, float],
    events: Sequence[edgeser.Utterance],
    before: int,
) -> Frames:
    """The frames of the utterance that belongs to a recording, if any."""
    labels = model.labels
    truth = labels.index(recording.emotion) if recording.emotion in labels else -1
    event = utterance_of(span, events)
    if event is None:
        return Frames(recording, np.zeros((0, len(labels))), np.zeros(0), 0.0, before, truth)
    kept = [frame for frame in event.timeline if says_something(frame)]
    return Frames(
        recording,
        np.array([[f.probabilities[label] for label in labels] for f in kept]),
        np.array([f.speech for f in kept]),
        event.verdict.speech_seconds,
        before,
        truth,
    )
