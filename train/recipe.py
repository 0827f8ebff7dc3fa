"""All training settings that are not sizes of the model."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from train.data.augment import AugmentConfig


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run; :meth:`paper` gives the paper's own."""

    epochs: int = 8
    batch: int = 16
    """Recordings per step."""
    optimizer: Literal["adamw", "adadelta"] = "adamw"
    """AdamW on a one-cycle schedule, or Adadelta at a constant rate."""
    learning_rate: float = 2e-3
    """AdamW's peak; Adadelta's factor."""
    weight_decay: float = 1e-3
    dropout: float = 0.15
    label_smoothing: float = 0.05
    perceived: float = 0.3
    """Weight of what listeners heard, where known, relative to what the actor intended."""
    speech_weight: float = 0.3
    """Weight of the speech score in the loss."""
    detail_weight: float = 0.3
    """Weight of the auxiliary head for all emotions of the corpora."""
    ramp_tokens: int = 6
    """A token's weight rises to 1 over this many tokens of speech."""
    patience: int = 0
    """Stop when the validation speakers' UA has not risen for this many epochs; 0: never."""
    precision: str = "bf16-mixed"
    """CPUs without bfloat16 use float32."""
    operator: bool = True
    """Train the TACN with Triton on GPUs that support it; otherwise plain PyTorch."""
    seed: int = 0
    augment: AugmentConfig | None = field(default_factory=AugmentConfig)

    @staticmethod
    def paper(epochs: int = 50, seed: int = 0) -> "Recipe":
        """The paper's (section 3.1): Adadelta, batch 128, plain cross-entropy, clean recordings."""
        return Recipe(
            epochs=epochs,
            batch=128,
            optimizer="adadelta",
            learning_rate=1.0,
            weight_decay=0.0,
            dropout=0.0,
            label_smoothing=0.0,
            perceived=0.0,
            detail_weight=0.0,
            seed=seed,
            augment=None,
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def made(self, result: Mapping[str, Any]) -> bool:
        """Whether a stored result's ``recipe`` is the same as this one.

        Settings that are newer than the result count as defaults.
        """
        default, mine = (json.loads(json.dumps(r.to_dict())) for r in (Recipe(), self))
        return bool({**default, **result.get("recipe", {"seed": None})} == mine)
