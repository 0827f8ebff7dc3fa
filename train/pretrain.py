"""Pre-training of the VQ-VAE on speech without labels (paper, section 2.1)."""

from collections.abc import Sequence

import lightning
import torch
from torch import Tensor

from train.data.augment import Sounds
from train.data.batches import Batch, Batches, Example
from train.data.shard import Shard
from train.loop import loader, trainer
from train.models.level import LevelConfig
from train.models.vqvae import VQVAE
from train.recipe import Recipe


class Pretraining(lightning.LightningModule):
    """Reconstructs the spectrograms of segments with speech."""

    segments_a_step = 1024

    def __init__(self, vqvae: VQVAE, learning_rate: float) -> None:
        super().__init__()
        self.vqvae, self.learning_rate = vqvae, learning_rate

    def training_step(self, batch: Batch, index: int) -> Tensor:
        heard = batch.segments.spectrogram[batch.speech]
        heard = heard[torch.randperm(len(heard), device=heard.device)[: self.segments_a_step]]
        _, loss, encoded, chosen = self.vqvae(heard)
        self.vqvae.codebook.update(encoded.detach().float(), chosen)
        used = (self.vqvae.codebook.usage > 0.1).float().mean()
        self.log_dict({"rebuilding": loss, "codes_used": used}, prog_bar=True)
        return loss  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.vqvae.parameters(), self.learning_rate)


def pretrain(
    vqvae: VQVAE,
    examples: Sequence[Example],
    recipe: Recipe,
    level: LevelConfig,
    epochs: int,
    learning_rate: float,
    sounds: Sounds | None = None,
) -> None:
    """Train (or, from a trained one, fine-tune) a VQ-VAE in place on the examples' audio."""
    lightning.seed_everything(recipe.seed, verbose=False)
    batches = Batches(examples, 32, level, recipe.augment, sounds, recipe.seed, shard=Shard.here())
    trainer(recipe, epochs).fit(Pretraining(vqvae, learning_rate), loader(batches))
    vqvae.eval()
