"""A linear readout of the mean and deviation of an utterance's tokens.

It has only 2 C numbers per label, so it cannot memorise the recordings of a corpus. The sequence
model learns its answers (distillation; Hinton et al. 2015).
"""

from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from train.sessions import Batches

UTTERANCES = 6000
"""Drawn to fit it."""
STRENGTH = 3e-3
"""``C`` of the logistic regression: the inverse of its regularisation."""
UNHEARD = -10.0
"""Logit of a label that no utterance has."""


@dataclass(frozen=True)
class Pooled:
    """Logits from mean and deviation: weight (L, 2 C) and bias (L,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor, inside: Tensor) -> Tensor:
        """Tokens (N, T, C), of which ``inside`` (N, T) exist, to logits (N, L)."""
        return pooled(x, inside) @ self.weight.T + self.bias

    @staticmethod
    @torch.no_grad()
    def fit(batches: Batches, utterances: int = UTTERANCES, strength: float = STRENGTH) -> "Pooled":
        """From utterances of drawn sessions; every label counts the same."""
        rows, labels = list[Tensor](), list[Tensor]()
        while sum(map(len, rows)) < utterances:
            batch = batches()
            rows.append(pooled(batch.x, batch.inside))
            labels.append(batch.target.argmax(1))
        x, y = torch.cat(rows).numpy(), torch.cat(labels).numpy()
        centre, scale = x.mean(0), x.std(0) + 1e-3
        model = LogisticRegression(C=strength, max_iter=1000, class_weight="balanced")
        model.fit((x - centre) / scale, y)
        coefficients = model.coef_ / scale
        # Two labels have one row: that of the second. A label that was never heard is unlikely.
        one_row = len(model.classes_) == 2
        heard = model.classes_[1:] if one_row else model.classes_
        weight = torch.zeros(batch.target.shape[1], x.shape[1])
        bias = torch.full((len(weight),), UNHEARD)
        bias[model.classes_] = 0.0
        weight[heard] = torch.from_numpy(coefficients).float()
        bias[heard] = torch.from_numpy(model.intercept_ - coefficients @ centre).float()
        return Pooled(weight, bias)


def pooled(x: Tensor, inside: Tensor) -> Tensor:
    """Mean and deviation (N, 2 C) of the tokens (N, T, C) that exist."""
    weight = inside.float()[..., None]
    count = weight.sum(1).clamp(min=1)
    mean = (x * weight).sum(1) / count
    variance = ((x - mean[:, None]).square() * weight).sum(1) / count
    return torch.cat([mean, variance.sqrt()], 1)
