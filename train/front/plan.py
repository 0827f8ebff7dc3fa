"""How the front end is trained: on what, which sizes, how much of each phase."""

from dataclasses import dataclass, field

from train.front.scenes import SceneConfig
from train.front.student import Weights
from train.models.sizes import SIZES

OFTEN = {"emodb": 3}
"""How often a corpus is gone through: EmoDB is a tenth of CREMA-D's size."""
WARMING = 200
"""Steps until a phase's learning rate is reached."""


@dataclass(frozen=True)
class Plan:
    """How long, on what, which sizes."""

    minutes: float = 7.0
    """From beginning to end, reading and the teacher included; of a run by the clock."""
    first: float = 0.65
    """Share of the training without emotions; of a run by the clock."""
    sizes: tuple[str, ...] = tuple(SIZES)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    weights: Weights = field(default_factory=Weights)
    emotion: float = 0.3
    """Weight of the emotions in the last phase."""
    slower: float = 0.5
    """The last phase's learning rate as a share of the first's."""
    made: int = 800
    """Sounds made by arithmetic."""
    keep: float = 40.0
    """Seconds between two writings of the weights."""
    report: float = 10.0
    every: int = 1
    """Only so many-th recordings, to try a plan out."""
    seed: int = 0
