"""The Lightning trainer that runs every loop: devices, precision, logs, progress bars."""

from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from train.data.batches import Batch, Batches
from train.data.cached_batches import CachedBatches
from train.data.shard import Shard
from train.recipe import Recipe


def loader(batches: Batches | CachedBatches) -> DataLoader[Batch]:
    """Assemble batches in a process of its own, beside training."""
    return DataLoader(
        batches, batch_size=None, num_workers=1, persistent_workers=True, prefetch_factor=4
    )


def precision(wanted: str) -> str:
    """As wanted, but float32 for bfloat16 where a CPU would have to imitate it, slowly."""
    can_tell = hasattr(torch.cpu, "get_capabilities")  # not in the oldest torch that serves
    if not wanted.startswith("bf16") or torch.accelerator.is_available() or not can_tell:
        return wanted
    capable = torch.cpu.get_capabilities()
    return wanted if any("bf16" in name and has for name, has in capable.items()) else "32-true"


def trainer(
    recipe: Recipe, epochs: int, folder: Path | None = None, **options: Any
) -> lightning.Trainer:
    """A trainer on a GPU if there is one, else on the CPU; under ``torchrun``, one of several.

    Each process then has a device of its own and its share of the batches, and gradients are
    averaged over all: a step learns from as many times ``recipe.batch`` recordings.

    ``folder`` takes TensorBoard logs and checkpoints; without one nothing is written.
    """
    shard = Shard.here()
    return lightning.Trainer(
        max_epochs=epochs,
        precision=precision(recipe.precision),  # type: ignore[arg-type]
        accelerator="auto",
        devices=shard.local,
        num_nodes=shard.world // shard.local,
        # Deep has a fusion whose half is never used.
        strategy="ddp_find_unused_parameters_true" if shard.world > 1 else "auto",
        default_root_dir=folder,
        logger=folder is not None,
        enable_checkpointing=folder is not None,
        enable_model_summary=False,
        gradient_clip_val=options.pop("gradient_clip_val", 5.0),
        log_every_n_steps=10,
        **options,
    )
