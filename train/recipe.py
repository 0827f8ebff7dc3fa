"""How a model is trained: everything that is not a size of the model, in one place."""

from dataclasses import asdict, dataclass, field
from typing import Any

from train.data.augment import AugmentConfig


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run; the paper's own are in brackets where they differ."""

    epochs: int = 8
    batch: int = 16
    """Recordings a step [128]."""
    learning_rate: float = 1.5e-3
    """Peak of a one-cycle schedule of AdamW [Adadelta]."""
    weight_decay: float = 1e-3
    dropout: float = 0.2
    label_smoothing: float = 0.05
    perceived: float = 0.3
    """Weight of what listeners heard, where known, against what the actor meant [0]."""
    speech_weight: float = 0.5
    """Weight of the speech score in the loss."""
    ramp_tokens: int = 6
    """A token's weight rises to 1 over the first this many tokens of speech."""
    precision: str = "bf16-mixed"
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
