"""A trained model on disk: one safetensors file with weights, sizes and facts."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from train.data.manifest import CorpusError
from train.files import atomic_write
from train.models.emotion import EmotionModel, ModelConfig

THRESHOLDS = {"speech": 0.5, "confidence": 0.0, "utterance": 0.0}


@dataclass
class Checkpoint:
    """A model with its temperature, its thresholds, and the facts for its bundle's manifest."""

    model: EmotionModel
    temperature: float = 1.0
    thresholds: dict[str, float] = field(default_factory=lambda: dict(THRESHOLDS))
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write everything to ``path``."""
        about = {
            "config": replace(self.model.config, speaker=self.model.speaker.config).to_dict(),
            "temperature": self.temperature,
            "thresholds": self.thresholds,
            "facts": self.facts,
        }
        weights = {name: t.contiguous() for name, t in self.model.state_dict().items()}
        with atomic_write(path) as partial:
            save_file(weights, partial, {"edgeser": json.dumps(about, sort_keys=True)})

    @staticmethod
    def load(path: Path) -> "Checkpoint":
        """Reads a checkpoint written by :meth:`save`; the model is in eval mode."""
        if not path.is_file():
            raise CorpusError(f"no checkpoint at {path}: train one with 'python -m train default'")
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["edgeser"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError) as error:
            raise CorpusError(
                f"{path} is no checkpoint of a model: expected a .safetensors file that 'python -m "
                "train' wrote"
            ) from error
        model = EmotionModel(ModelConfig.from_dict(about["config"]))
        model.load_state_dict(weights)
        return Checkpoint(model.eval(), about["temperature"], about["thresholds"], about["facts"])
