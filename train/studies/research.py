"""The research model: the default model's front end, and training sessions that include RAVDESS.

It has RAVDESS's licence. Its figures come from cross-validation by speaker: each fold's model was
trained without the actors it is tested on.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from train.answers import answers
from train.calibration import fit_temperature
from train.checkpoint import Checkpoint
from train.default import FACTS, LABELLED, UNHEARD
from train.metrics import Scores
from train.models.emotion import EmotionModel
from train.product import Product
from train.provenance import provenance
from train.session_training import train_sessions
from train.sessions import SessionRecipe, Utterance

FOLDS = 5
LICENCE = "CC-BY-NC-SA-4.0 AND ODbL-1.0 AND Apache-2.0"
NOTICE = (
    "Trained on RAVDESS (Livingstone and Russo 2018), actors 01 to 20, CC BY-NC-SA 4.0: for "
    "research, not for commercial use, and to be passed on under the same licence."
)


def research(product: Product, start: Checkpoint, recipe: SessionRecipe) -> Checkpoint:
    """Trains a new sequence model and head, with RAVDESS, on the front end of ``start``."""
    model, threshold = start.model, start.thresholds["speech"]
    kept_out = product.test | product.development
    common = [
        u
        for name in LABELLED
        for u in product.tokens(model, name, threshold)
        if u.speaker not in kept_out
    ]
    ravdess = product.tokens(model, UNHEARD, threshold)
    actors = sorted({u.speaker for u in ravdess})
    scores: dict[int, list[float]] = {0: [], 10: []}
    for fold in range(FOLDS):
        held = set(actors[fold::FOLDS])
        train = [*common, *(u for u in ravdess if u.speaker not in held)]
        test = [u for u in ravdess if u.speaker in held]
        _train(model, train, recipe)
        for before, found in scores.items():
            result = answers(model, test, before, seed=fold)
            predicted = result.verdicts().argmax(1)
            found.append(Scores.of(result.truth, predicted, len(model.config.labels)).ua)
    _train(model, [*common, *ravdess], recipe)
    training: dict[str, Any] = {
        **start.facts["training"],
        "corpora": {**start.facts["training"]["corpora"], UNHEARD: len(actors)},
        "speaker_independent": {
            UNHEARD: {
                "ua": round(float(np.mean(scores[0])), 4),
                "ten_heard": round(float(np.mean(scores[10])), 4),
                "folds": FOLDS,
            }
        },
        "provenance": provenance(recipe.seed),
    }
    facts = {
        **FACTS,
        "name": "research",
        "licence": LICENCE,
        "notices": [NOTICE, *FACTS["notices"]],
        "training": training,
    }
    development = [
        u
        for name in LABELLED
        for u in product.tokens(model, name, threshold)
        if u.speaker in product.development
    ]
    temperature = fit_temperature(model, development)
    return Checkpoint(model, temperature, start.thresholds, facts)


def _train(model: EmotionModel, utterances: Sequence[Utterance], recipe: SessionRecipe) -> None:
    """Trains sequence model and head from random weights."""
    fresh = EmotionModel(model.config)
    model.sequence.load_state_dict(fresh.sequence.state_dict())
    model.head.load_state_dict(fresh.head.state_dict())
    model.speaker.known.data.zero_()
    train_sessions(model, utterances, replace(recipe), model.speaker.config)
