"""A model's verdicts on recordings, and how reliable they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.data.batches import Batches, Condition, Example
from train.losses import speech_weights, verdict
from train.metrics import Scores
from train.models.emotion import EmotionModel


@dataclass(frozen=True)
class Predictions:
    """Per-token logits of utterances (N, T, L + 1), tokens (N,) and the truth (N,)."""

    logits: Tensor
    tokens: Tensor
    truth: NDArray[np.int64]
    threshold: float = 0.5
    """Tokens with a lower speech score do not count for a verdict."""

    def probabilities(self, temperature: float = 1.0, heard: int | None = None) -> Tensor:
        """Verdicts (N, L); with ``heard``, those after that many tokens of speech."""
        weights = speech_weights(self.logits, self.tokens, self.threshold)
        if heard is not None:
            weights = weights * ((weights > 0).cumsum(1) <= heard)
        cooled = torch.cat([self.logits[..., :-1] / temperature, self.logits[..., -1:]], dim=-1)
        return verdict(cooled, weights)

    def scores(self, temperature: float = 1.0, heard: int | None = None) -> Scores:
        """Scores of the verdicts; with ``heard``, of those after that many tokens of speech."""
        answer = self.probabilities(temperature, heard).argmax(1).numpy()
        return Scores.of(self.truth, answer, self.logits.shape[2] - 1)


@torch.no_grad()
def predict(
    model: EmotionModel,
    examples: Sequence[Example],
    batch: int = 64,
    threshold: float = 0.5,
    condition: Condition | None = None,
) -> Predictions:
    """Run a model in eval mode over labelled examples, without augmentation.

    ``condition`` first changes every recording's samples: noise, gain, another room.
    """
    examples = sorted(examples, key=lambda e: e.samples)
    logits, tokens, truth = [], [], []
    for b in Batches(examples, batch, model.config.level, shuffle=False, condition=condition):
        logits.append(model.from_segments(b.segments, b.tokens))
        tokens.append(b.tokens)
        truth.append(b.target.argmax(1).numpy())
    longest = max(part.shape[1] for part in logits)
    padded = [torch.nn.functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in logits]
    return Predictions(torch.cat(padded), torch.cat(tokens), np.concatenate(truth), threshold)


def speech_scores(predictions: Predictions) -> Tensor:
    """The speech scores of all tokens of all recordings, concatenated."""
    inside = torch.arange(predictions.logits.shape[1]) < predictions.tokens[:, None]
    return predictions.logits[..., -1].sigmoid()[inside]


def fit_temperature(predictions: Predictions) -> float:
    """The temperature that maximises the likelihood of the truth (Guo et al. 2017)."""
    truth = torch.from_numpy(predictions.truth)

    def loss(temperature: float) -> float:
        probabilities = predictions.probabilities(temperature).clamp(min=1e-6)
        return float(torch.nn.functional.nll_loss(probabilities.log(), truth))

    return float(min(np.geomspace(0.2, 5.0, 97), key=loss))


def calibration_error(probabilities: Tensor, truth: NDArray[np.int64], bins: int = 10) -> float:
    """Expected calibration error of verdicts (N, L): mean gap of confidence and accuracy."""
    confidence, answer = (part.numpy() for part in probabilities.max(1))
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        (place == b).mean()
        * abs(confidence[place == b].mean() - (answer == truth)[place == b].mean())
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))


def confidence_threshold(probabilities: Tensor, truth: NDArray[np.int64], right: float) -> float:
    """The lowest confidence for which at least this share of the labelled verdicts is right.

    In steps of 0.01; 0.99 if there is none, so that almost nothing is labelled.
    """
    confidence, answer = (part.numpy() for part in probabilities.max(1))
    for threshold in np.arange(0, 0.99, 0.01):
        kept = confidence >= threshold
        if kept.any() and (answer == truth)[kept].mean() >= right:
            return round(float(threshold), 2)
    return 0.99


def coverage(
    probabilities: Tensor, truth: NDArray[np.int64], threshold: float
) -> tuple[float, float]:
    """Share of verdicts with a label at a confidence threshold; share of these that is right."""
    confidence, answer = (part.numpy() for part in probabilities.max(1))
    kept = confidence >= threshold
    accuracy = float((answer == truth)[kept].mean()) if kept.any() else float("nan")
    return float(kept.mean()), accuracy
