"""Voices higher and lower than those recorded: which the gate misses, how the rest is judged.

Recordings of the development speakers are resampled, which moves pitch and formants together. They
are then faster or slower, too, as children and tired people are.
"""

from collections.abc import Sequence

import numpy as np
import soxr

import edgeser
from train.judge import study
from train.judge.hearing import Figures, alone
from train.judge.page import table
from train.judge.sounds import SAMPLE_RATE
from train.product import Product

PITCHES = (0.85, 1.0, 1.2, 1.4, 1.7)
SHOWN = {"emodb": ("EmoDB", 1), "cremad": ("CREMA-D", 6)}
"""Name of a corpus, and use only every n-th recording of it."""
PARTS = ("missed", "UA")
BEFORE = 1.0
"""Seconds of the recording's own noise floor before it."""

PAGE = """\
# High and low voices

Recordings of the {speakers} development speakers, which are in no stage of training, with another
pitch: resampled, so that formants and tempo change as well. Each gets its own stream of
`edgeser.Utterances`, after {before:g} s of its own noise floor. *Missed* is the share without an
utterance; UA is the mean recall of four emotions, in which these count as wrong.

{table}

An adult's voice at 1.4 times its pitch is about as high as a child's. There were no recordings of
children.

Made by `python -m train voices`.
"""


def voices_page(product: Product, model: edgeser.Model) -> str:
    """A Markdown table with a row for each pitch."""
    corpora = {name: _recordings(product, name, model.labels) for name in SHOWN}
    rows = []
    for pitch in PITCHES:
        row = [f"{pitch:g}"]
        for recordings in corpora.values():
            heard = alone(
                model, [(r, _raised(x, pitch)) for r, x in recordings], study.quiet(BEFORE)
            )
            figures = Figures.of(heard, model.labels)
            row += [f"{figures.missed / figures.count:.0%}", f"{figures.ua:.2f}"]
        rows.append(row)
    columns = [f"{SHOWN[n][0]}, {len(c)}: {part}" for n, c in corpora.items() for part in PARTS]
    return PAGE.format(
        speakers=len(product.development), before=BEFORE, table=table(["pitch", *columns], rows)
    )


def _recordings(product: Product, name: str, labels: Sequence[str]) -> study.Corpus:
    corpus = product.corpora.labelled[name]
    return [
        (recording, corpus.audio[i])
        for i, recording in enumerate(corpus.recordings)
        if recording.emotion in labels and recording.speaker in product.development
    ][:: SHOWN[name][1]]


def _raised(samples: study.Samples, pitch: float) -> study.Samples:
    if pitch == 1:
        return samples
    raised: study.Samples = soxr.resample(samples, SAMPLE_RATE * pitch, SAMPLE_RATE)
    return raised.astype(np.float32)
