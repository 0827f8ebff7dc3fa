"""Shortcut learning: why a model can be good on its training corpora and useless on others.

Acted recordings are normalised to one peak level, so quiet speakers have a louder noise floor. The
distance between floor and speech then reveals the emotion, differently in each corpus. This study
measures how much it reveals, and how well corpora can be told apart with and without the floor.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from train.checkpoint import Checkpoint
from train.data.batches import Example
from train.data.denoise import without_floor
from train.default import LABELLED, UNHEARD, Corpora
from train.metrics import Scores
from train.models.emotion import LABELS
from train.models.level import decibels
from train.models.spectrogram import Spectrogram
from train.provenance import provenance
from train.studies.report.rows import table
from train.studies.reproduce.runs import representations

FLOOR_QUANTILE = 0.05
MOST_PER_EMOTION = 120
"""Upper bound on the recordings of one emotion in one corpus."""
Features = NDArray[np.float32]

TEMPLATE = """\
# Shortcut learning: the noise floor of a recording

A model trained only on CREMA-D called nearly every EmoDB recording anger. A model trained on both
called nearly every RAVDESS recording anger or happiness. But on held-out recordings of the training
corpora the loss fell. They had learned the noise floor: if all recordings of an acted corpus are
scaled to the same peak level, the floor is far below a shout, but not far below a murmur.

## Noise floor relative to speech, dB

Level of the quietest 5 % of a recording's frames, minus the level of its loudest 5 %; means.

{floors}

In CREMA-D sadness and anger lie {spread:.0f} dB apart. The floors of the other two corpora lie
lower than that of anger in CREMA-D, whatever the emotion, so a model that relies on it calls all of
them anger.

## Emotion from the floor alone

A logistic regression on the floor in seven bands, fitted to these recordings of CREMA-D. The row
of CREMA-D therefore has its training data.

{alone}

## Telling corpora apart

Balanced accuracy of a logistic regression, on speakers that it was not fitted to; chance is
{chance:.2f}. Lower is better: less is left that a shortcut could use. The tokens are those of the
default model at commit {commit}.

{apart}

## Countermeasures

* Training subtracts the noise floor of every recording by a random amount
  (`train/data/denoise.py`), before it adds rooms, noises, colours and gain. What is left of the
  floor says nothing about the emotion.
* The front end clips levels at 50 dB below the running level (`train/models/level.py`), in training
  and on the device, so it does not see lower floors.
* A second, narrow-band view of a segment (`train/models/harmonics.py`) shows the pitch, which does
  not depend on floors and microphones.

These were tried in exploratory runs of five epochs on CREMA-D without one fold of speakers, tested
on all of EmoDB. The first two, together with stronger noise and filters, raised the UA on EmoDB
from about 0.3 or 0.4 to above 0.6; the effect of each was not measured separately. The second view
helped only together with them: with the floor left in, it improved results on CREMA-D and worsened
them on EmoDB. A wider network improved only those on CREMA-D. Corpora can still be told apart from
the model's tokens, but no longer by the floor.

## Provenance

Commit {commit}, torch {torch}.
"""


def floors(samples: NDArray[np.float32], spectrogram: Spectrogram) -> Features:
    """Noise floor relative to speech in dB, (8,): over all frequencies, then in seven bands."""
    with torch.no_grad():
        power = spectrogram(torch.from_numpy(samples)[None])[0].numpy()
    loudness = 10 * np.log10(power[:, 2:].sum(1) + 1e-14)
    speech = np.quantile(loudness, 1 - FLOOR_QUANTILE)
    edges = (2, 8, 16, 32, 48, 64, 96, 129)
    bands = [
        10 * np.log10(np.quantile(power[:, low:high].sum(1), FLOOR_QUANTILE) + 1e-14) - speech
        for low, high in pairwise(edges)
    ]
    return np.array([np.quantile(loudness, FLOOR_QUANTILE) - speech, *bands], np.float32)


def mean_spectrum(samples: NDArray[np.float32], spectrogram: Spectrogram) -> Features:
    """Mean spectrum in dB minus its mean, (129,): shows the colour of microphone and room."""
    with torch.no_grad():
        mean = decibels(spectrogram(torch.from_numpy(samples)[None])[0].mean(0)).numpy()
    centred: Features = mean - mean.mean()
    return centred


def told_apart(features: Features, corpus: NDArray[np.int64], speakers: Sequence[str]) -> float:
    """Balanced accuracy of a classifier of corpora, on speakers that it was not fitted to."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
    )
    scores = cross_val_score(
        classifier, features, corpus, groups=speakers, cv=GroupKFold(4), scoring="balanced_accuracy"
    )
    return float(scores.mean())


def shortcut(data: Path, work: Path, checkpoint: Checkpoint, out: Path) -> Path:
    """Measures, and writes ``shortcut.md`` to the folder ``out``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    corpora = Corpora.read(data, work / "features")
    names = (*LABELLED, UNHEARD)
    known = {**corpora.labelled, UNHEARD: corpora.unheard}
    examples: list[Example] = []
    emotion, corpus, speakers = [], [], []
    for place, name in enumerate(names):
        counts = dict.fromkeys(LABELS, 0)
        for example in known[name].labelled(LABELS):
            recording = known[name].recordings[example.index]
            if counts[recording.emotion] < MOST_PER_EMOTION:
                counts[recording.emotion] += 1
                examples.append(example)
                emotion.append(LABELS.index(recording.emotion))
                corpus.append(place)
                speakers.append(recording.speaker)
    truth, where = np.array(emotion), np.array(corpus)
    spectrogram = Spectrogram()
    rows = [_measures(e, spectrogram) for e in tqdm(examples, desc="floors", unit="file")]
    floor, clean, spectrum = (np.array(part) for part in zip(*rows, strict=True))
    by_corpus = {
        f"{name}{what}": {
            label: float(values[(where == i) & (truth == j), 0].mean())
            for j, label in enumerate(LABELS)
        }
        for what, values in (("", floor), (", floor subtracted", clean))
        for i, name in enumerate(names)
    }
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
    )
    cremad = names.index("cremad")
    fitted = classifier.fit(floor[where == cremad][:, 1:], truth[where == cremad])
    alone = {
        name: {
            "UA": Scores.of(truth[where == i], fitted.predict(floor[where == i][:, 1:]), 4).ua,
            "called anger": float(
                (fitted.predict(floor[where == i][:, 1:]) == LABELS.index("anger")).mean()
            ),
        }
        for i, name in enumerate(names)
    }
    views = {
        "noise floor, eight numbers": floor,
        "the same, floor subtracted": clean,
        "mean spectrum, 129 numbers": spectrum,
        "the model's tokens": _tokens(checkpoint, examples),
    }
    apart = {
        what: {"balanced accuracy": told_apart(values, where, speakers)}
        for what, values in views.items()
    }
    about = provenance(0)
    text = TEMPLATE.format(
        floors=_in_decibels(by_corpus),
        spread=by_corpus["cremad"]["sadness"] - by_corpus["cremad"]["anger"],
        alone=table(alone, "tested on"),
        apart=table(apart, "from"),
        chance=1 / len(names),
        commit=about["commit"],
        torch=about["torch"],
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / "shortcut.md"
    path.write_text(text, encoding="utf-8")
    return path


def _measures(example: Example, spectrogram: Spectrogram) -> tuple[Features, Features, Features]:
    samples = example.audio()
    clean = without_floor(samples)
    return (
        floors(samples, spectrogram),
        floors(clean, spectrogram),
        mean_spectrum(samples, spectrogram),
    )


def _tokens(checkpoint: Checkpoint, examples: Sequence[Example]) -> Features:
    """Mean token over the speech of each example, in the examples' order."""
    model = checkpoint.model
    parts = [
        representations(model, examples[start : start + 32])[1]
        for start in range(0, len(examples), 32)
    ]
    return np.concatenate(parts)


def _in_decibels(rows: dict[str, dict[str, float]]) -> str:
    lines = [f"| corpus | {' | '.join(LABELS)} |", "|---" * (len(LABELS) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{row[label]:.1f}' for label in LABELS)} |")
    return "\n".join(lines)
