"""How a model is trained: everything that is not a size of the model, in one place."""

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
    """Recordings a step."""
    optimizer: Literal["adamw", "adadelta"] = "adamw"
    """AdamW on a one-cycle schedule, or Adadelta at a constant rate."""
    learning_rate: float = 2e-3
    """AdamW's peak; Adadelta's factor."""
    weight_decay: float = 1e-3
    dropout: float = 0.15
    label_smoothing: float = 0.05
    perceived: float = 0.3
    """Weight of what listeners heard, where known, against what the actor meant."""
    speech_weight: float = 0.3
    """Weight of the speech score in the loss."""
    detail_weight: float = 0.3
    """Weight of telling all emotions of the corpora apart, beside those that the model names."""
    ramp_tokens: int = 6
    """A token's weight rises to 1 over the first this many tokens of speech."""
    patience: int = 0
    """Stop when the validation speakers' UA has not risen for this many epochs; 0: never."""
    precision: str = "bf16-mixed"
    """Where a CPU has no bfloat16, float32 instead."""
    operator: bool = True
    """Train the TACN through Triton on a GPU that it runs on; plain PyTorch serves everywhere."""
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
        """Whether a kept result's ``recipe`` is this one.

        A setting that came after the result was made had its default's meaning then.
        """
        default, mine = (json.loads(json.dumps(r.to_dict())) for r in (Recipe(), self))
        return bool({**default, **result.get("recipe", {"seed": None})} == mine)
