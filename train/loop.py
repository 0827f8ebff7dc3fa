"""The Lightning trainer that runs every loop: devices, precision, logs, progress bars."""

from pathlib import Path
from typing import Any

import lightning
from torch.utils.data import DataLoader

from train.data.batches import Batch, Batches
from train.data.kept import KeptBatches
from train.recipe import Recipe


def loader(batches: Batches | KeptBatches) -> DataLoader[Batch]:
    """Assemble batches in a process of its own, beside training."""
    return DataLoader(
        batches, batch_size=None, num_workers=1, persistent_workers=True, prefetch_factor=4
    )


def trainer(
    recipe: Recipe, epochs: int, folder: Path | None = None, **options: Any
) -> lightning.Trainer:
    """A trainer on a GPU if there is one, else on the CPU.

    On one device: batches are not divided among several, which would all learn from the same.

    ``folder`` takes TensorBoard logs and checkpoints; without one nothing is written.
    """
    return lightning.Trainer(
        max_epochs=epochs,
        precision=recipe.precision,  # type: ignore[arg-type]
        accelerator="auto",
        devices=1,
        default_root_dir=folder,
        logger=folder is not None,
        enable_checkpointing=folder is not None,
        enable_model_summary=False,
        gradient_clip_val=options.pop("gradient_clip_val", 5.0),
        log_every_n_steps=10,
        **options,
    )
