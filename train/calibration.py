"""Chooses the temperature and the confidence threshold of verdicts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from train.answers import Answers, answers
from train.models.emotion import EmotionModel
from train.sessions import Utterance


def fit_temperature(model: EmotionModel, utterances: Sequence[Utterance]) -> float:
    """The temperature that maximises the likelihood of verdicts in sessions."""
    return likeliest_temperature([answers(model, utterances, n, seed=n) for n in (0, 4)])


def likeliest_temperature(found: Sequence[Answers]) -> float:
    """The temperature with the least loss, all verdicts weighted equally (Guo et al. 2017)."""

    def loss(log_temperature: float) -> float:
        return sum(one.loss(float(np.exp(log_temperature))) for one in found)

    best = minimize_scalar(loss, bounds=(-1.2, 1.2), method="bounded", options={"maxiter": 20})
    return round(float(np.exp(best.x)), 3)


def confidence_threshold(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], right: float
) -> float:
    """The lowest of 0.30, 0.31, … for which this share of labelled verdicts is right."""
    sure, said = probabilities.max(1), probabilities.argmax(1)
    for threshold in np.arange(0.30, 0.95, 0.01):
        named = sure >= threshold
        if not named.any() or (said == truth)[named].mean() >= right:
            return round(float(threshold), 2)
    return 0.95
