"""A trained model on disk: its sizes, weights and the facts of its training. Loaded without unpickling code."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from train.models.emotion import EmotionModel, ModelConfig


@dataclass
class Checkpoint:
    """A model with its temperature, thresholds and facts for the manifest."""

    model: EmotionModel
    temperature: float = 1.0
    thresholds: dict[str, float] = field(default_factory=lambda: {"speech": 0.5, "confidence": 0.0})
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write everything to ``path``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                "config": self.model.config.to_dict(),
                "weights": self.model.state_dict(),
                "temperature": self.temperature,
                "thresholds": self.thresholds,
                "facts": self.facts,
            },
            path,
        )

    @staticmethod
    def load(path: Path) -> "Checkpoint":
        """Read a checkpoint written by :meth:`save`; the model comes in eval mode."""
        stored = torch.load(path, map_location="cpu", weights_only=True)
        model = EmotionModel(ModelConfig.from_dict(stored["config"]))
        model.load_state_dict(stored["weights"])
        return Checkpoint(
            model.eval(), stored["temperature"], stored["thresholds"], stored["facts"]
        )
