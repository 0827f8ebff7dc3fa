"""The training plan of the front end: data, sizes, and duration of each phase."""

from dataclasses import dataclass, field

from train.front.scenes import SceneConfig
from train.front.student import Weights
from train.models.sizes import SIZES

OFTEN = {"emodb": 3}
"""Repetitions of a corpus per epoch: EmoDB has a tenth of CREMA-D's size."""
WARMING = 200
"""Warm-up steps of a phase's learning rate."""
HEADS_RATE = 3.0
"""Learning rate of the heads while they learn alone."""


@dataclass(frozen=True)
class Plan:
    """Duration, data and sizes."""

    minutes: float = 7.0
    """Total time of a run by the clock, including reading and the teacher."""
    first: float = 0.65
    """Share of the phase without emotions, of a run by the clock."""
    sizes: tuple[str, ...] = tuple(SIZES)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    weights: Weights = field(default_factory=Weights)
    emotion: float = 0.3
    """Weight of the emotions in the last phase."""
    slower: float = 0.5
    """Learning rate of the last phase relative to the first."""
    learning_rate: float | None = None
    """Of all sizes; None: each its own."""
    heads: int = 0
    """First steps of a phase in which only what reads the tokens learns: it is new where the model
    is not."""
    made: int = 800
    """Number of synthetic sounds."""
    keep: float = 40.0
    """Seconds between two saves of the weights."""
    report: float = 10.0
    every: int = 1
    """Use every n-th recording, to test a plan."""
    seed: int = 0
