"""Reads emotions from the teacher's features, so that a sequence model learns these features.

A head that may use tokens freely learns to separate emotions in the training corpora, and little of
that holds for others. So the sequence model predicts the teacher's statistics of an utterance, and
emotions are a fixed linear function of them, fitted on the teacher's own values. Both are linear,
so the exported model has a single head.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

REGULARISATION = 1e-2
"""Of the logistic regression, as scikit-learn defines it."""
NEVER = -10.0
"""Logit of an emotion without examples."""
LARGEST = 6.0
"""Statistics are clipped there, in deviations, because recordings can be odd."""


def statistics(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mean and deviation (2 D,) of the teacher's vectors (N, D) over a recording."""
    x = vectors.astype(np.float32)
    return np.concatenate([x.mean(0), x.std(0)])


@dataclass(frozen=True)
class Readout:
    """A teacher's statistics (2 D), standardised, to logits of L emotions."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    weight: Tensor
    """(L, 2 D)."""
    bias: Tensor
    """(L,)."""

    @staticmethod
    def fit(
        values: NDArray[np.float32],
        labels: Sequence[int],
        speakers: Sequence[str],
        corpora: Sequence[str],
        emotions: int,
    ) -> "Readout":
        """Fits on utterances' statistics (N, 2 D) and their emotions; ``emotions`` is L.

        Corpora have equal weight, and so do the emotions of each. Every speaker is centred first,
        so that the readout depends on changes of a voice and not on whose voice it is.
        """
        label, speaker, corpus = np.array(labels), np.array(speakers), np.array(corpora)
        names = np.unique(corpus)
        mean = np.mean([values[corpus == c].mean(0) for c in names], axis=0)
        deviation = np.sqrt(np.mean([values[corpus == c].var(0) for c in names], axis=0)) + 1e-6
        z = ((values - mean) / deviation).clip(-LARGEST, LARGEST)
        centred = z.copy()
        for one in np.unique(speaker):
            own = speaker == one
            moods = [z[own & (label == k)].mean(0) for k in np.unique(label[own])]
            centred[own] -= np.mean(moods, axis=0)
        size = {(c, k): ((corpus == c) & (label == k)).sum() for c in names for k in set(labels)}
        weight = np.array([1 / size[c, k] for c, k in zip(corpus, labels, strict=True)])
        fitted = LogisticRegression(C=REGULARISATION, max_iter=500)
        fitted.fit(centred, label, sample_weight=weight * len(weight) / weight.sum())
        coefficients, intercepts = fitted.coef_, fitted.intercept_
        if len(fitted.classes_) == 2:
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        weights = torch.zeros(emotions, values.shape[1])
        bias = torch.full((emotions,), NEVER)
        weights[fitted.classes_] = torch.from_numpy(coefficients.astype(np.float32))
        bias[fitted.classes_] = torch.from_numpy(intercepts.astype(np.float32))
        return Readout(mean.astype(np.float32), deviation.astype(np.float32), weights, bias)

    def standardised(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Statistics (..., 2 D) in the training's deviations from its mean."""
        z: NDArray[np.float32] = ((values - self.mean) / self.deviation).clip(-LARGEST, LARGEST)
        return z.astype(np.float32)

    def __call__(self, standardised: Tensor) -> Tensor:
        """Standardised statistics (..., 2 D) to logits (..., L)."""
        return standardised @ self.weight.T + self.bias
