"""Scores of a classifier."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """UA (mean recall over classes), WA (accuracy), macro F1, and counts [truth, answer]."""

    ua: float
    wa: float
    f1: float
    confusion: NDArray[np.int64]

    @staticmethod
    def of(truth: NDArray[np.int64], answer: NDArray[np.int64], classes: int) -> "Scores":
        """Scores of labels (N,) against answers (N,), without classes that never occur."""
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (truth, answer), 1)
        hit, said, meant = np.diag(confusion), confusion.sum(0), confusion.sum(1)
        there = meant > 0
        f1 = 2 * hit / np.maximum(said + meant, 1)
        return Scores(
            float((hit[there] / meant[there]).mean()),
            float(hit.sum() / max(confusion.sum(), 1)),
            float(f1[there].mean()),
            confusion,
        )
