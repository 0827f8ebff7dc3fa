"""All tables of the evaluation: a bundle on recordings of speakers outside its training data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgeser
from train.data.manifest import Recording
from train.judge.hearing import Before, Figures, Heard, alone, listen, session
from train.judge.sounds import SAMPLE_RATE, floor_of, plosive, pop

Samples = NDArray[np.float32]
Corpus = Sequence[tuple[Recording, Samples]]

QUIET = (0.0, 1.0, 5.0, 30.0)
LONG_QUIET = 300.0
FEW = 40
"""Number of recordings that follow five minutes of quiet."""
RATES = (8000, 16_000, 44_100, 48_000)
LEVELS = (-20.0, 0.0, 10.0)
HEARD_BEFORE = (0, 1, 2, 5, 10)
ORDERS = 3
"""Number of random orders of every speaker's recordings."""


def quiet(seconds: float) -> Before:
    """The recording's own floor."""
    return lambda samples, rng: floor_of(samples, seconds, rng)


def silence(seconds: float) -> Before:
    """Digital silence."""
    return lambda _samples, _rng: np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def burst(kind: str) -> Before:
    """A pop or a plosive, half a second before the recording."""
    made = {"pop": pop, "plosive": plosive}[kind]

    def before(samples: Samples, rng: np.random.Generator) -> Samples:
        lead = floor_of(samples, 1.0, rng)
        sound = made(rng)
        lead[8000 : 8000 + len(sound)] += sound[: len(lead) - 8000]
        return lead

    return before


def by_condition(model: edgeser.Model, corpus: Corpus) -> dict[str, Figures]:
    """Each recording in a new stream, after various audio."""
    labels = model.labels
    tried: dict[str, Before] = {f"{q:g} s of its floor": quiet(q) for q in QUIET}
    tried |= {f"{q:g} s of digital silence": silence(q) for q in (5.0, 30.0)}
    tried |= {"a pop 0.5 s before": burst("pop"), "a plosive 0.5 s before": burst("plosive")}
    found = {name: Figures.of(alone(model, corpus, b), labels) for name, b in tried.items()}
    some = corpus[:: max(1, len(corpus) // FEW)]
    found["0 s, some"] = Figures.of(alone(model, some, quiet(0)), labels)
    found[f"{LONG_QUIET:g} s, the same"] = Figures.of(alone(model, some, quiet(LONG_QUIET)), labels)
    return found


def by_format(model: edgeser.Model, corpus: Corpus) -> dict[str, Figures]:
    """Results by rate and level, after one second of quiet."""
    labels, before = model.labels, quiet(1.0)
    found = {f"{r} Hz": Figures.of(alone(model, corpus, before, rate=r), labels) for r in RATES}
    for level in LEVELS:
        figures = Figures.of(alone(model, corpus, before, gain_db=level), labels)
        found[f"{level:+g} dB"] = figures
    return found


def by_heard(model: edgeser.Model, corpus: Corpus) -> tuple[dict[str, Figures], list[Heard]]:
    """Sessions of every speaker, by the number of earlier utterances; and all verdicts."""
    everyone: dict[str, list[tuple[Recording, Samples]]] = {}
    for recording, samples in corpus:
        everyone.setdefault(recording.speaker, []).append((recording, samples))
    heard: list[Heard] = []
    for order in range(ORDERS):
        for speaker, own in sorted(everyone.items()):
            rng = np.random.default_rng([order, len(speaker), len(own)])
            mixed = [own[i] for i in rng.permutation(len(own))]
            heard += session(model, mixed, seed=order)
    ends = (*HEARD_BEFORE[1:], 1 << 30)
    found = {}
    for low, high in zip(HEARD_BEFORE, ends, strict=True):
        some = [h for h in heard if low <= h.before < high]
        to = f" to {high - 1}" if high > low + 1 else ""
        name = f"{low}{to}" if high < 1 << 30 else f"{low} and more"
        if some:
            found[name] = Figures.of(some, model.labels)
    return found, heard


def one_mood(model: edgeser.Model, corpus: Corpus) -> dict[str, Figures]:
    """Sessions of one speaker in a single emotion, which could mislead the adaptation."""
    groups: dict[tuple[str, str], list[tuple[Recording, Samples]]] = {}
    for recording, samples in corpus:
        groups.setdefault((recording.speaker, recording.emotion), []).append((recording, samples))
    heard: list[Heard] = []
    for _, own in sorted(groups.items()):
        heard += session(model, own)
    return {
        name: Figures.of([h for h in heard if low <= h.before < high], model.labels)
        for name, low, high in (("0", 0, 1), ("1 to 3", 1, 4), ("4 and more", 4, 1 << 30))
        if any(low <= h.before < high for h in heard)
    }


def steadiness(model: edgeser.Model, corpus: Corpus) -> dict[str, float]:
    """Share of recordings whose most likely emotion does not change under small changes."""
    plain = alone(model, corpus, quiet(1.0))

    def same(others: Sequence[Heard]) -> float:
        pairs = zip(plain, others, strict=True)
        return float(
            np.mean([np.argmax(a.probabilities) == np.argmax(b.probabilities) for a, b in pairs])
        )

    def later(samples: Samples, rng: np.random.Generator) -> Samples:
        lead = floor_of(samples, 1.0, rng)
        return np.concatenate([np.zeros(80, np.float32) + lead[:80], lead])

    noisy = []
    for number, (recording, samples) in enumerate(corpus):
        rng = np.random.default_rng([7, number])
        scale = np.float32(np.sqrt(np.square(samples).mean()) * 10 ** (-70 / 20))
        noise = scale * rng.standard_normal(len(samples)).astype(np.float32)
        noisy.append((recording, samples + noise))
    return {
        "5 ms later": same(alone(model, corpus, later)),
        "noise at -70 dB": same(alone(model, noisy, quiet(1.0))),
        "48 kHz": same(alone(model, corpus, quiet(1.0), rate=48_000)),
    }


def false_alarms(model: edgeser.Model, noises: Sequence[Samples]) -> dict[str, float]:
    """Utterances per hour, and hours, in sounds without speech at -26 dBFS."""
    seconds, found = 0.0, 0
    for noise in noises:
        level = np.sqrt(np.square(noise).mean()) + 1e-9
        found += len(listen(model, noise * np.float32(0.05 / level), SAMPLE_RATE, 0.0))
        seconds += len(noise) / SAMPLE_RATE
    return {"an_hour": found * 3600 / seconds, "hours": seconds / 3600}


def by_sex(heard: Sequence[Heard], labels: Sequence[str], women: set[str]) -> dict[str, Figures]:
    """Results for women and men."""
    return {
        name: Figures.of([h for h in heard if (h.recording.speaker in women) == wanted], labels)
        for name, wanted in (("women", True), ("men", False))
    }


def confusion(heard: Sequence[Heard], labels: Sequence[str]) -> list[list[int]]:
    """Counts with the true emotion in rows and the verdict in columns, without missed ones."""
    table = np.zeros((len(labels), len(labels)), int)
    for h in heard:
        if h.found:
            table[labels.index(h.recording.emotion), int(np.argmax(h.probabilities))] += 1
    return table.tolist()


def as_json(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """Figures as plain numbers, rounded."""
    return {
        name: {
            k: [round(x, 4) for x in v] if isinstance(v, tuple) else round(v, 4)
            for k, v in asdict(f).items()
        }
        for name, f in figures.items()
    }
