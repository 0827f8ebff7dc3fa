"""Writes the model card from a checkpoint's facts and its evaluation."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from train.checkpoint import Checkpoint
from train.judge.page import table
from train.models.cost import multiply_adds, parameters
from train.models.segment import SEGMENT

TEMPLATE = """\
# Model card: {name} {version}

Emotions: {labels}; and whether anybody speaks at all. One result every 128 ms from audio at 16 kHz.
{parameters:.2f} million parameters; the front end takes {cost:.1f} million multiply-adds a segment.
The sequence model uses only speech, up to {memory} results back; the statistics of the speaker come
from earlier utterances.

## Use

For: a robot, kiosk or desktop program that reacts to the sound of a voice, on the device, with the
speaker's knowledge. A result is a guess about expression in a voice, learned from actors; it says
nothing about what a person thinks or will do.

Not for: work and education, where the EU AI Act (Article 5(1)(f)) forbids inferring emotions; nor
medicine, policing, hiring, credit, insurance, lie detection, or any decision about a person. Not
for children: there are none in the data.

## How good it is

{figures}

## Better on your own voices

With your own recordings, in folders named by emotion or listed in a CSV with path, corpus, speaker
and emotion, this trains a bundle with your emotions on this model's front end. It reports a
cross-validation over your speakers:

```
python -m train finetune --data my_folder --out mine.edgeser
```

## Data

Trained on {corpora}. Pre-trained without labels on {pretraining}. The speakers of the figures above
are not among them. German (EmoDB) and English. Other languages express emotion differently;
accuracy in them was not measured.

## Licence

{licence}

{notices}

## Provenance

Commit {commit}, seed {seed}, torch {torch}. Temperature {temperature:.3f}; a result is speech where
the gate's score is at least {speech}, and has a label where confidence is at least {confidence}; an
utterance's verdict, where there are {utterance} s of speech.
"""

JUDGED = """\
Measured through the SDK's own streams, on held-out speakers. All emotions are acted:
real life is harder. CREMA-D is not the original but a reconstruction from log-mel spectrograms.
RAVDESS is a held-out corpus: it shows what to expect from new speakers and a new microphone. An
utterance that was not detected counts as wrong.

{table}

UA is the mean recall over the emotions (chance: {chance:.2f}); *calibration error* is the mean gap
of confidence and accuracy; *labelled* is the share of utterances with a label, *right* the share of
these labels that are right. The last three columns are after ten utterances of the same speaker, if
there are so many. Confidence is calibrated on corpora held out of training: on RAVDESS it is close
to the accuracy, on the two training corpora it is lower than the accuracy.

{sexes}

In held-out sounds without speech: {noise:.0f} false alarms per hour.
"""


def model_card(checkpoint: Checkpoint, judged: Mapping[str, Any] | None = None) -> str:
    """The card in Markdown. ``judged``: results of ``train judge`` for this checkpoint's bundle."""
    facts, model = checkpoint.facts, checkpoint.model
    training, labels = facts["training"], model.config.labels
    return TEMPLATE.format(
        **{key: facts[key] for key in ("name", "version")},
        licence=facts["licence"],
        **{key: training["provenance"][key] for key in ("commit", "seed", "torch")},
        labels=", ".join(labels),
        memory=model.tacn.receptive_field,
        parameters=parameters(model) / 1e6,
        cost=multiply_adds(model.frontend, torch.zeros(1, SEGMENT), torch.zeros(1)) / 1e6,
        figures=figures(judged, labels) if judged else _own(training),
        corpora=_listed(training["corpora"], "speakers"),
        pretraining=_listed(training["pretraining"], "recordings"),
        notices="\n".join(f"* {notice}" for notice in facts["notices"]),
        temperature=checkpoint.temperature,
        **checkpoint.thresholds,
    )


def figures(judged: Mapping[str, Any], labels: Sequence[str]) -> str:
    """The card's tables."""
    rows, sexes = [], []
    for name, found in judged["corpora"].items():
        cold, late = found["conditions"]["1 s of its floor"], found.get("ten_heard")
        last = late or cold
        rows.append(
            [
                name,
                f"{found['speakers']}",
                f"{found['recordings']}",
                f"{cold['ua']:.3f}",
                f"{late['ua']:.3f}" if late else "",
                f"{last['calibration_error']:.3f}",
                f"{last['labelled']:.0%}",
                f"{last['right']:.0%}",
            ]
        )
        for sex, own in found.get("by_sex", {}).items():
            sexes.append([name, sex, *(f"{r:.2f}" for r in own["recalls"])])
    head = ["corpus", "speakers", "utterances", "UA, the first", "UA, after ten"]
    head += ["calibration error", "labelled", "right"]
    text = "Recall of each emotion for women and for men:\n\n" + table(["", "", *labels], sexes)
    return JUDGED.format(
        table=table(head, rows),
        chance=1 / len(labels),
        sexes=text if sexes else "",
        noise=judged["noise"]["an_hour"],
    ).rstrip()


def _own(training: Mapping[str, Any]) -> str:
    """Facts that the training itself recorded."""
    scores = training.get("speaker_independent", {})
    if not scores:
        return "Not judged yet."
    rows = [[name, f"{s['ua']:.3f}", f"{s['ten_heard']:.3f}"] for name, s in scores.items()]
    head = ["corpus", "UA, the first", "UA, after ten"]
    return "Mean over folds by speaker, on tokens of clips.\n\n" + table(head, rows)


def _listed(counts: Mapping[str, int], what: str) -> str:
    parts = [f"{name} ({count} {what})" for name, count in counts.items()]
    return textwrap.shorten(", ".join(parts), 400)
