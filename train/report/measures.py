"""Everything that is measured of the default model beyond its scores, as plain numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from train.data.batches import Condition
from train.evaluate import Predictions, coverage

CONDITIONS = (
    *("as recorded", "noise at 20 dB", "noise at 10 dB", "noise at 5 dB"),
    *("-20 dB gain", "+10 dB gain", "telephone, 8 kHz", "plate reverberation"),
)
"""In the order that tables show them; see ``conditions.py``."""
EARLY_SECONDS = (0.5, 1.0, 2.0)
TOKENS_A_SECOND = 16_000 / 2048

Judge = Callable[[Condition | None], Mapping[str, Sequence[Predictions]]]
"""Predictions of each corpus, one for each fold, under a condition."""


def robustness(
    judge: Judge, conditions: Mapping[str, Condition | None], temperature: float
) -> dict[str, Any]:
    """UA by condition and corpus, the mean over folds."""
    return {
        name: {corpus: mean_ua(parts, temperature) for corpus, parts in judge(condition).items()}
        for name, condition in conditions.items()
    }


def mean_ua(parts: Sequence[Predictions], temperature: float, heard: int | None = None) -> float:
    """Mean over folds."""
    return round(float(np.mean([part.scores(temperature, heard).ua for part in parts])), 4)


def early(
    parts: Mapping[str, Sequence[Predictions]], temperature: float
) -> dict[str, dict[str, float]]:
    """UA of the verdict after so many seconds of speech, and at the end."""
    return {
        corpus: {
            **{
                f"{seconds:g}": mean_ua(folds, temperature, round(seconds * TOKENS_A_SECOND))
                for seconds in EARLY_SECONDS
            },
            "end": mean_ua(folds, temperature),
        }
        for corpus, folds in parts.items()
    }


def reliability(
    parts: Sequence[Predictions], temperature: float, bins: int = 10
) -> list[dict[str, float]]:
    """Mean confidence and accuracy of the verdicts in each bin of confidence that has any."""
    probabilities = [part.probabilities(temperature) for part in parts]
    confidence = np.concatenate([p.max(1).values.numpy() for p in probabilities])
    right = np.concatenate(
        [p.argmax(1).numpy() == part.truth for p, part in zip(probabilities, parts, strict=True)]
    )
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "confidence": round(float(confidence[place == b].mean()), 4),
            "accuracy": round(float(right[place == b].mean()), 4),
            "count": int((place == b).sum()),
        }
        for b in range(bins)
        if (place == b).any()
    ]


def abstention(
    parts: Sequence[Predictions], temperature: float, thresholds: Sequence[float]
) -> list[dict[str, float]]:
    """Coverage and accuracy at each threshold of confidence, means over folds.

    Thresholds that leave a fold without any label are left out.
    """
    rows = []
    for threshold in thresholds:
        pairs = [coverage(p.probabilities(temperature), p.truth, threshold) for p in parts]
        if not all(share for share, _ in pairs):
            continue
        share, right = np.mean(pairs, axis=0)
        row = {"threshold": threshold, "coverage": float(share), "accuracy": float(right)}
        rows.append({key: round(value, 4) for key, value in row.items()})
    return rows
