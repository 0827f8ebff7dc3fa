"""Training of the emotion model on labelled speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from train.data.batches import Batch, Batches, Example
from train.loop import loader, trainer
from train.losses import emotion_loss, speech_loss, speech_weights, verdict
from train.metrics import Scores
from train.models.emotion import EmotionModel, ModelConfig
from train.models.vqvae import VQVAE
from train.recipe import Recipe


class EmotionTraining(lightning.LightningModule):
    """Emotion and speech together; the pre-trained encoder and codebook stay as they are."""

    def __init__(
        self, model: EmotionModel, recipe: Recipe, class_weights: Tensor, steps: int
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.steps = model, recipe, steps
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.class_weights: Tensor
        self.heard: list[tuple[Tensor, Tensor]] = []
        for parameter in model.frontend.encoder.parameters():
            parameter.requires_grad_(False)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        self.model.frontend.encoder.eval()
        logits = self.model.from_segments(batch.segments, batch.tokens).float()
        emotion = emotion_loss(logits, batch, self.class_weights, self.recipe)
        speech = speech_loss(logits, batch)
        self.log_dict({"emotion": emotion, "speech": speech}, prog_bar=True)
        return emotion + self.recipe.speech_weight * speech

    def validation_step(self, batch: Batch, index: int) -> None:
        logits = self.model.from_segments(batch.segments, batch.tokens).float()
        self.heard.append((verdict(logits, speech_weights(logits, batch.tokens)), batch.target))

    def on_validation_epoch_end(self) -> None:
        probabilities, target = (torch.cat(part) for part in zip(*self.heard, strict=True))
        self.heard.clear()
        scores = Scores.of(
            target.argmax(1).numpy(), probabilities.argmax(1).numpy(), target.shape[1]
        )
        self.log_dict({"ua": scores.ua, "wa": scores.wa}, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        trained = [p for p in self.model.parameters() if p.requires_grad]
        r = self.recipe
        optimizer = torch.optim.AdamW(trained, r.learning_rate, weight_decay=r.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, r.learning_rate, total_steps=self.steps + 1, pct_start=0.2
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


@dataclass(frozen=True)
class Material:
    """What a fit learns from: labelled recordings, unlabelled speech and noise, noise to mix in."""

    labelled: Sequence[Example]
    unlabelled: Sequence[Example] = ()
    noises: Sequence[Tensor] = ()


def class_weights(examples: Sequence[Example], labels: int) -> Tensor:
    """Weights that make every label count the same, mean 1 over the examples."""
    count = torch.tensor([e.target for e in examples]).sum(0)
    return count.sum() / (labels * count.clamp(min=1))


def fit(
    material: Material,
    recipe: Recipe,
    config: ModelConfig,
    vqvae: VQVAE | None = None,
    validation: Sequence[Example] = (),
    folder: Path | None = None,
) -> EmotionModel:
    """Train a model and return it in eval mode.

    The pre-trained ``vqvae`` gives its encoder and codebook.
    Scores on ``validation``, speakers that are not trained on, are logged every other epoch.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    model = EmotionModel(config, recipe.dropout)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if vqvae is not None:
        model.frontend.encoder.load_state_dict(vqvae.encoder.state_dict())
        model.fusion.codebook.load_state_dict(vqvae.codebook.state_dict())
    examples = [*material.labelled, *material.unlabelled]
    train = Batches(
        examples, recipe.batch, config.level, recipe.augment, material.noises, recipe.seed
    )
    weights = class_weights(material.labelled, len(config.labels))
    module = EmotionTraining(model, recipe, weights, recipe.epochs * len(train))
    run = trainer(recipe, recipe.epochs, folder, check_val_every_n_epoch=2, num_sanity_val_steps=0)
    held = Batches(validation, recipe.batch, config.level, shuffle=False) if validation else None
    run.fit(module, loader(train), loader(held) if held else None)
    return model.eval()
