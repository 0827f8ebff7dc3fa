"""How sure a verdict may be about strangers: temperature and the threshold of confidence.

On speakers of corpora that training knows a model is right more often than on anybody else; chosen
there, both would come out too bold. So one labelled corpus is left out in turn: a sequence model
learns on the training speakers of the other, and is asked about those of the one left out. The
front end is the one before its last phase, since that phase has heard the labels of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from train.answers import Answers, answers
from train.calibration import confidence_threshold, likeliest_temperature
from train.default import LABELLED
from train.evaluate import calibration_error
from train.judge.page import table
from train.metrics import Scores
from train.models.emotion import EmotionModel
from train.product import (
    CONFIDENCE,
    TEMPERATURE,
    Product,
)
from train.session_training import train_sessions
from train.sessions import SessionRecipe

BEFORE = (0, 3, 10)
"""Utterances of the speaker that a stream has heard before."""
HEARD = (3, 10)
"""Of these, those by which confidence is chosen: of a first utterance nobody can be sure."""
RIGHT = 0.70
"""Share of labelled verdicts on strangers that shall be right."""
EVERY = {"cremad": 3}
"""Only so many-th utterances are judged: CREMA-D is twelve times as large as EmoDB."""
NAMES = {"cremad": "CREMA-D", "emodb": "EmoDB"}

Study = Mapping[str, Mapping[int, Answers]]
"""By the corpus that was left out, and by utterances heard before."""

PAGE = """\
# Calibration for new speakers

A user's voice and microphone are in no corpus. So temperature and the threshold of confidence are
chosen on held-out corpora. The front end is the one before the training with emotions, from which
the shipped one was trained further. The sequence model is trained on the training speakers of one
corpus ({steps} steps) and tested on those of the other. The test speakers of the shipped model and
RAVDESS are not used.

{table}

UA is the mean recall of four emotions; the loss is the mean negative log-likelihood, at temperature
1 and at {temperature:g}, where the mean over all rows is least. Calibration error is at that
temperature. A verdict has a label if its most likely emotion has {confidence:g} or more: the
lowest threshold at which {right:.0%} of labelled verdicts are right on each of the corpora,
after at least three utterances of the speaker. *Labelled* and *right* are at that threshold.

Each of these models was trained on one corpus, the shipped one on both, so it should be better.
The shipped model has temperature {shipped_temperature:g} and confidence {shipped_confidence:g}.

Made by `python -m train strangers`.
"""


@dataclass(frozen=True)
class Choice:
    """What the study recommends."""

    temperature: float
    confidence: float


def study(product: Product, recipe: SessionRecipe) -> Study:
    """Leave each labelled corpus out in turn. Tokens are kept in the product's folder."""
    front = product.before_emotions()
    threshold = product.threshold(front)
    kept_out = product.test | product.development
    heard = {
        name: [
            u
            for u in product.tokens(front, name, threshold, kept="tokens-before-emotions")
            if u.speaker not in kept_out
        ]
        for name in LABELLED
    }
    found = {}
    for name in LABELLED:
        torch.manual_seed(recipe.seed)  # of the weights that training begins with
        model = EmotionModel(product.config)
        known = [u for other in LABELLED if other != name for u in heard[other]]
        train_sessions(model, known, recipe, product.schedule.speaker, 100)
        judged = heard[name][:: EVERY.get(name, 1)]
        found[name] = {n: answers(model, judged, n, seed=n) for n in BEFORE}
    return found


def choose(found: Study) -> Choice:
    """The likeliest temperature, and the confidence at which enough labels are right everywhere."""
    temperature = likeliest_temperature([one for by in found.values() for one in by.values()])
    return Choice(temperature, max(_confidence(by, temperature) for by in found.values()))


def _confidence(by: Mapping[int, Answers], temperature: float) -> float:
    """The lowest threshold at which enough labels are right on one corpus that was left out."""
    warm = [by[n] for n in HEARD]
    sure = np.concatenate([one.verdicts(temperature) for one in warm])
    return confidence_threshold(sure, np.concatenate([one.truth for one in warm]), RIGHT)


def strangers_page(found: Study, steps: int) -> str:
    """Markdown: a row for each corpus left out and number of utterances heard."""
    choice, rows = choose(found), []
    for name, by in found.items():
        for n, one in by.items():
            sure = one.verdicts(choice.temperature)
            said, labelled = sure.argmax(1), sure.max(1) >= choice.confidence
            right = (said == one.truth)[labelled].mean() if labelled.any() else float("nan")
            rows.append(
                [
                    NAMES[name],
                    str(n),
                    f"{Scores.of(one.truth, said, sure.shape[1]).ua:.3f}",
                    f"{one.loss(1.0):.2f}",
                    f"{one.loss(choice.temperature):.2f}",
                    f"{calibration_error(torch.from_numpy(sure), one.truth):.2f}",
                    f"{labelled.mean():.0%}",
                    f"{right:.0%}",
                ]
            )
    head = ["left out", "heard before", "UA", "loss at 1", "loss", "calibration error"]
    return PAGE.format(
        steps=steps,
        table=table([*head, "labelled", "right"], rows),
        temperature=choice.temperature,
        confidence=choice.confidence,
        right=RIGHT,
        shipped_temperature=TEMPERATURE,
        shipped_confidence=CONFIDENCE,
    )
