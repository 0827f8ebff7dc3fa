"""Effects of the gate's threshold on the development speakers."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edgeser
from train.checkpoint import Checkpoint
from train.data.music import SoundMaker
from train.export import export_bundle
from train.judge import study
from train.judge.hearing import Figures, alone
from train.judge.page import table
from train.product import Product

EVERY = {"cremad": 4, "emodb": 1}
"""Use every n-th recording: CREMA-D is twelve times as large."""
QUIET = 5.0
NOISES, MADE, LENGTH = 60, 12, 160_000
"""Numbers of recorded and of synthetic sounds like the gate's training data; samples of each."""
NAMES = {"cremad": "CREMA-D", "emodb": "EmoDB"}

PAGE = """\
# The threshold of the speech gate

The threshold of the gate's score was chosen on the development speakers ({speakers}, in no stage of
training) and on {minutes:.0f} minutes of sounds like those in the gate's training, through
`edgeser.Utterances`. *Alarms* are false alarms per hour without speech. UA is the mean
recall of four emotions, with the number of missed utterances in brackets; *{quiet:g} s*: with
{quiet:g} s of the recording's own noise floor before it; *session*: all utterances of a speaker in
one stream, with 2 s of noise floor between them.

{table}

CREMA-D is rebuilt from spectrograms, and its noise floor is loud: with a low threshold the gate
stays open, and utterances merge. The bundled model uses {shipped:g}.

Made by `python -m train gate`.
"""


def gate_page(product: Product, checkpoint: Checkpoint, thresholds: Sequence[float]) -> str:
    """A Markdown table with a row for each threshold."""
    labels = checkpoint.model.config.labels
    corpora = {
        name: [
            (recording, corpus.audio[i])
            for i, recording in enumerate(corpus.recordings)
            if recording.emotion in labels and recording.speaker in product.development
        ][:: EVERY[name]]
        for name, corpus in product.corpora.labelled.items()
    }
    noises = _noises(product)
    shipped = checkpoint.thresholds["speech"]
    rows = [
        [f"**{t:.2f}**" if t == shipped else f"{t:.2f}", *_row(checkpoint, t, corpora, noises)]
        for t in thresholds
    ]
    parts = [f"{NAMES[n]}: {part}" for n in corpora for part in ("UA", f"{QUIET:g} s", "session")]
    return PAGE.format(
        speakers=len(product.development),
        minutes=sum(map(len, noises)) / 16_000 / 60,
        quiet=QUIET,
        table=table(["threshold", "alarms per hour", *parts], rows),
        shipped=shipped,
    )


def _noises(product: Product) -> list[NDArray[np.float32]]:
    rng, maker, known = np.random.default_rng(5), SoundMaker(777), product.sounds().noises
    some = [known[i][:LENGTH] for i in rng.permutation(len(known))[:NOISES]]
    return [*some, *(maker(LENGTH) for _ in range(MADE))]


def _row(
    checkpoint: Checkpoint,
    threshold: float,
    corpora: Mapping[str, study.Corpus],
    noises: Sequence[NDArray[np.float32]],
) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tried.edgeser"
        limits = {**checkpoint.thresholds, "speech": threshold}
        export_bundle(checkpoint.model, path, checkpoint.facts, limits, checkpoint.temperature)
        model = edgeser.load(path)
    row = [f"{study.false_alarms(model, noises)['an_hour']:.0f}"]
    for name, corpus in corpora.items():
        sessions = study.by_heard(model, corpus[:: 2 if name == "cremad" else 1])[1]
        for heard in (
            alone(model, corpus, study.quiet(0)),
            alone(model, corpus, study.quiet(QUIET)),
            sessions,
        ):
            figures = Figures.of(heard, model.labels)
            row.append(f"{figures.ua:.3f} ({figures.missed})")
    return row
