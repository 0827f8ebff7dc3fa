"""Trains the emotion model on labelled speech."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from train.data.augment import Sounds
from train.data.batches import Batch, Batches, Example
from train.data.cached_batches import CachedBatches
from train.data.shard import Shard
from train.loop import loader, trainer
from train.losses import detail_loss, emotion_loss, speech_loss, speech_weights, verdict
from train.metrics import Scores
from train.models.emotion import EmotionModel, ModelConfig
from train.models.level import LevelConfig
from train.models.tacn import TACN
from train.models.vqvae import VQVAE
from train.recipe import Recipe


class EmotionTraining(lightning.LightningModule):
    """Trains emotion and speech together; the pre-trained encoder and codebook do not change."""

    def __init__(
        self, model: EmotionModel, recipe: Recipe, class_weights: Tensor, steps: int, details: int
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.steps = model, recipe, steps
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.class_weights: Tensor
        self.detail = nn.Linear(model.config.tacn.width, details) if details else None
        """Auxiliary head that distinguishes all emotions of the corpora; only used in training."""
        self.heard: list[tuple[Tensor, Tensor]] = []
        for parameter in model.frontend.encoder.parameters():
            parameter.requires_grad_(False)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        self.model.frontend.encoder.eval()
        tokens = self.model.tokens_of(batch.segments)
        sequence = self.model.sequence(self.model.speaker.standardised(tokens), batch.tokens)
        both = (self.model.head(sequence), self.model.gate(tokens)[..., None])
        logits = torch.cat(both, -1).float()
        emotion = emotion_loss(logits, batch, self.class_weights, self.recipe)
        speech = speech_loss(logits, batch)
        self.log_dict({"emotion": emotion, "speech": speech}, prog_bar=True)
        loss = emotion + self.recipe.speech_weight * speech
        if self.detail is not None:
            detail = detail_loss(self.detail(sequence).float(), batch, self.recipe)
            self.log("detail", detail)
            loss = loss + self.recipe.detail_weight * detail
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        logits = self.model.from_segments(batch.segments, batch.tokens).float()
        self.heard.append((verdict(logits, speech_weights(logits, batch.tokens)), batch.target))

    def on_validation_epoch_end(self) -> None:
        probabilities, target = (torch.cat(part).cpu() for part in zip(*self.heard, strict=True))
        self.heard.clear()
        scores = Scores.of(
            target.argmax(1).numpy(), probabilities.argmax(1).numpy(), target.shape[1]
        )
        self.log_dict({"ua": scores.ua, "wa": scores.wa}, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer | OptimizerLRSchedulerConfig:
        trained = [p for p in self.parameters() if p.requires_grad]
        r = self.recipe
        if r.optimizer == "adadelta":
            return torch.optim.Adadelta(trained, r.learning_rate, weight_decay=r.weight_decay)
        optimizer = torch.optim.AdamW(trained, r.learning_rate, weight_decay=r.weight_decay)
        total = self.steps + 1
        # It must rise for more than a step: of five, a fifth would leave it none to divide by.
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, r.learning_rate, total_steps=total, pct_start=max(0.2, 1.2 / total)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


@dataclass(frozen=True)
class Material:
    """Training data: labelled recordings, speech and noise without labels, and sounds to mix in."""

    labelled: Sequence[Example]
    unlabelled: Sequence[Example] = ()
    sounds: Sounds = field(default_factory=Sounds)

    def batches(self, recipe: Recipe, level: LevelConfig) -> Batches | CachedBatches:
        """Epochs of all these, augmented as the recipe says."""
        examples, augment = [*self.labelled, *self.unlabelled], recipe.augment
        return Batches(
            examples, recipe.batch, level, augment, self.sounds, recipe.seed, shard=Shard.here()
        )


@dataclass(frozen=True)
class CachedMaterial(Material):
    """The same, with batches stored in a folder, so that several fits use identical ones."""

    folder: Path = field(kw_only=True)

    def batches(self, recipe: Recipe, level: LevelConfig) -> CachedBatches:
        """The stored batches; made first if missing, or if the recipe or their number changed."""
        made = super().batches(recipe, level)
        assert isinstance(made, Batches)
        return CachedBatches(made, self.folder, recipe.epochs, {"recipe": recipe.to_dict()})


def class_weights(examples: Sequence[Example], labels: int) -> Tensor:
    """Weights that give every label the same influence, with mean 1 over labelled examples."""
    count = torch.tensor([e.target for e in examples if e.target]).sum(0)
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

    The pre-trained ``vqvae`` provides encoder and codebook. Scores on ``validation`` (speakers that
    are not in the training data) are logged every epoch. With ``recipe.patience``, training stops
    when they no longer improve, and the best epoch's model is returned. With a ``folder`` for logs
    and checkpoints, an interrupted run continues.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    model = EmotionModel(config, recipe.dropout)
    if vqvae is not None:
        model.frontend.encoder.load_state_dict(vqvae.encoder.state_dict())
        model.fusion.codebook.load_state_dict(vqvae.codebook.state_dict())
    if isinstance(model.sequence, TACN):
        model.sequence.use_operator(recipe.operator)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    train = material.batches(recipe, config.level)
    weights = class_weights(material.labelled, len(config.labels))
    details = max(len(e.detail) for e in material.labelled) if recipe.detail_weight else 0
    module = EmotionTraining(model, recipe, weights, recipe.epochs * len(train), details)
    held = Batches(validation, 64, config.level, shuffle=False) if validation else None
    callbacks: list[lightning.Callback] = []
    best = None
    if held and recipe.patience:
        callbacks.append(EarlyStopping("ua", mode="max", patience=recipe.patience))
    if folder is not None:
        chosen = {"monitor": "ua", "mode": "max"} if held and recipe.patience else {}
        best = ModelCheckpoint(folder / "checkpoints", save_last=True, **chosen)  # type: ignore[arg-type]
        callbacks.append(best)
    run = trainer(recipe, recipe.epochs, folder, callbacks=callbacks, num_sanity_val_steps=0)
    last = folder / "checkpoints" / "last.ckpt" if folder is not None else None
    run.fit(
        module,
        loader(train),
        loader(held) if held else None,
        ckpt_path=last if last is not None and last.is_file() else None,
    )
    if best is not None and recipe.patience and best.best_model_path:
        state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
        module.load_state_dict(state)
    return model.eval()
