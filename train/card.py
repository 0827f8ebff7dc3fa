"""The model card: what a checkpoint's own facts say, in words."""

import textwrap
from collections.abc import Mapping
from typing import Any

import torch

from train.checkpoint import Checkpoint
from train.models.cost import multiply_adds, parameters
from train.models.segment import SEGMENT
from train.report.page import robustness_table

TEMPLATE = """\
# Model card: {name} {version}

Emotions: {labels}; and whether anybody speaks at all. One result every 128 ms from audio at 16 kHz,
with a memory of {memory} results. {parameters:.2f} million parameters; the front end
takes {cost:.1f} million multiply-adds a segment.

## Use

For: a robot, kiosk or desktop program that reacts to how a voice sounds, on the device, with the
speaker's knowledge. A result is a guess about expression in a voice, learned from actors; it is
not what a person feels, means or will do.

Not for: work and education, where the EU AI Act (Article 5(1)(f)) forbids inferring emotions; nor
medicine, policing, hiring, credit, insurance, lie detection, or any decision about a person. Not
for children: there are none in the data.

## How good it is

On speakers that the judging model had not heard; mean over folds by speaker. All of it is acted:
real life is harder. CREMA-D is not the original but a reconstruction from log-mel spectrograms.

{within}

{across}{robustness}{abstention}UA is the mean recall over the emotions (chance: {chance:.2f}),
WA the share of right
verdicts, F1 its mean over the emotions, calibration error the mean gap of confidence and accuracy.

Of {noise_frames} results on noises that were never trained with, {noise_speech:.1%} were taken
for speech.

{confusions}

## Better on your own voices

With recordings of your own, in folders named by emotion or listed in a CSV with path, corpus,
speaker and emotion, this trains on from these weights and keeps some speakers back to tell you what
it brought:

```
python -m train finetune --data my_folder --out mine.edgeser
```

## Data

Trained on {corpora}; the figures above
are from models of the same recipe that were denied the speakers they are judged on. Pre-trained
without labels on {pretraining}. German (EmoDB) and English.
Other languages express emotion differently, and nothing is known of how well this works there.

## Licence

{licence}

{notices}

## Provenance

Commit {commit}, seed {seed}, torch {torch}. Temperature {temperature:.3f}; a result has a label
where speech is at least {speech} and confidence at least {confidence}, an utterance's verdict where
there are {utterance} s of speech.
"""

HEAD = (
    "| corpus | UA | WA | F1 | calibration error | speakers | utterances | folds |\n"
    + "|---" * 8
    + "|"
)


def model_card(checkpoint: Checkpoint) -> str:
    """Markdown; every figure is taken from the checkpoint."""
    facts, model = checkpoint.facts, checkpoint.model
    training = facts["training"]
    scores, labels = training["speaker_independent"], model.config.labels
    text = TEMPLATE.format(
        **{key: facts[key] for key in ("name", "version", "licence")},
        **{key: training["provenance"][key] for key in ("commit", "seed", "torch")},
        labels=", ".join(labels),
        memory=model.tacn.receptive_field,
        parameters=parameters(model) / 1e6,
        cost=multiply_adds(model.frontend, torch.zeros(1, SEGMENT), torch.zeros(1)) / 1e6,
        within="\n".join([HEAD, *(_row(name, s) for name, s in scores.items())]),
        across=_cross_corpus(training.get("cross_corpus", {})),
        chance=1 / len(labels),
        robustness=_robustness(training.get("robustness", {})),
        abstention=_abstention(training, checkpoint.thresholds["confidence"]),
        confusions="\n\n".join(_confusion(name, s, labels) for name, s in scores.items()),
        noise_frames=training["noise"]["frames"],
        noise_speech=training["noise"]["taken_for_speech"],
        corpora=_counts(training["corpora"], "speakers"),
        pretraining=_counts(training["pretraining"], "recordings"),
        notices="\n".join(f"* {notice}" for notice in facts["notices"]),
        temperature=checkpoint.temperature,
        **checkpoint.thresholds,
    )
    return "\n\n".join(_filled(paragraph) for paragraph in text.split("\n\n"))


def _filled(paragraph: str) -> str:
    """Prose to the width of the page; headings, tables and lists as they are."""
    if paragraph.startswith(("#", "|", "*", "```")):
        return paragraph
    end = "\n" if paragraph.endswith("\n") else ""
    return textwrap.fill(paragraph, 99, break_on_hyphens=False) + end


def _row(name: str, s: Mapping[str, Any]) -> str:
    figures = (f"{s[key]:.3f}" for key in ("ua", "wa", "f1", "calibration_error"))
    counts = (str(s.get(key, 1)) for key in ("test_speakers", "test_utterances", "folds"))
    return f"| {' | '.join([name, *figures, *counts])} |"


def _cross_corpus(scores: Mapping[str, Mapping[str, Any]]) -> str:
    if not scores:
        return ""
    text = (
        "On a corpus of which the shipped weights have heard nothing (another studio, other\n"
        "sentences, other actors). This is what to expect from a new microphone:\n"
    )
    return "\n".join([text, HEAD, *(_row(name, s) for name, s in scores.items()), "", ""])


def _robustness(rows: Mapping[str, Mapping[str, float]]) -> str:
    if not rows:
        return ""
    return "\n".join(
        [
            "UA in rooms and on lines, on every fifth of the recordings:\n",
            robustness_table(rows),
            "",
            "",
        ]
    )


def _abstention(training: Mapping[str, Any], threshold: float) -> str:
    if "abstention" not in training:
        return ""
    said = []
    for corpus, rows in training["abstention"].items():
        row = min(rows, key=lambda r: abs(r["threshold"] - threshold))
        said.append(f"{row['coverage']:.0%} of {corpus}, of which {row['accuracy']:.0%} right")
    return (
        f"Below a confidence of {threshold:.2f} nothing gets a label. That leaves labels on "
        f"{'; '.join(said)}.\n\n"
    )


def _confusion(name: str, scores: Mapping[str, Any], labels: tuple[str, ...]) -> str:
    lines = [f"| {name}: acted, said | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
    for label, row in zip(labels, scores["confusion"], strict=True):
        lines.append(f"| {label} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def _counts(table: Mapping[str, int], unit: str) -> str:
    return ", ".join(f"{name} ({count} {unit})" for name, count in table.items())
