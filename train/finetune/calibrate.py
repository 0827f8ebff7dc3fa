"""Temperature and thresholds, from speakers that the tested model was not trained on."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from train.calibration import confidence_threshold
from train.finetune.heard import Frames
from train.models.segment import HOP, SAMPLE_RATE
from train.sessions import Utterance

GATES = (0.95, 0.9, 0.8, 0.7, 0.5)
"""Speech thresholds to try below the parent's."""
MISSED = 0.05
"""Share of the recordings that the gate may miss; at least one recording."""
LEAST_ANSWERED = 40
"""Recordings needed to choose a confidence threshold; with fewer, the parent's is kept."""
COLDEST, HOTTEST = 0.3, 3.3


def gates(parent: float) -> list[float]:
    """Speech thresholds in order of preference: the parent's first."""
    return [parent, *(gate for gate in GATES if gate < parent)]


def missed(heard: Sequence[Utterance | None], shortest: float) -> int:
    """Number of recordings with less than ``shortest`` seconds of speech behind the gate."""
    least = math.ceil(shortest * SAMPLE_RATE / HOP)
    return sum(u is None or len(u.passes[0]) < least for u in heard)


def few_enough(count: int, recordings: int) -> bool:
    """Whether a gate that misses ``count`` of these recordings is acceptable."""
    return count <= max(1, int(MISSED * recordings))


def temperature_of(frames: Sequence[Frames]) -> float:
    """The temperature that maximises the likelihood of the truth (Guo et al. 2017).

    1 if no utterance was found.
    """
    found = [f for f in frames if len(f.speech)]
    if not found:
        return 1.0

    def loss(logarithm: float) -> float:
        temperature = math.exp(logarithm)
        return -float(np.mean([math.log(f.at(temperature)[f.truth] + 1e-9) for f in found]))

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    return round(math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x), 3)


def enough_answers(frames: Sequence[Frames]) -> bool:
    """Whether there are enough recordings to choose a confidence threshold."""
    return len({f.recording.path for f in frames if len(f.speech)}) >= LEAST_ANSWERED


def confidence_of(
    frames: Sequence[Frames], temperature: float, right: float, parent: float
) -> float:
    """The lowest threshold for this share of right labels; the parent's if recordings are few."""
    if not enough_answers(frames):
        return parent
    found = [f for f in frames if len(f.speech)]
    probabilities = np.array([f.at(temperature) for f in found])
    return confidence_threshold(probabilities, np.array([f.truth for f in found]), right)
