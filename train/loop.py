"""Sets up the Lightning trainer: device, precision, logs, progress bars."""

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
    """Assembles batches in a separate process, in parallel to training."""
    return DataLoader(
        batches, batch_size=None, num_workers=1, persistent_workers=True, prefetch_factor=4
    )


def precision(wanted: str) -> str:
    """The wanted precision, but float32 instead of bfloat16 on CPUs that only emulate it slowly."""
    can_tell = hasattr(torch.cpu, "get_capabilities")  # not in the oldest torch that serves
    if not wanted.startswith("bf16") or torch.accelerator.is_available() or not can_tell:
        return wanted
    capable = torch.cpu.get_capabilities()
    return wanted if any("bf16" in name and has for name, has in capable.items()) else "32-true"


def trainer(
    recipe: Recipe, epochs: int, folder: Path | None = None, **options: Any
) -> lightning.Trainer:
    """A trainer on a GPU if there is one, otherwise on the CPU; one of several under ``torchrun``.

    Each process then has its own device and its share of the batches, and gradients are averaged: a
    step learns from ``recipe.batch`` recordings per process.

    ``folder`` is for TensorBoard logs and checkpoints; without it nothing is written.
    """
    shard = Shard.here()
    return lightning.Trainer(
        max_epochs=epochs,
        precision=precision(recipe.precision),  # type: ignore[arg-type]
        accelerator="auto",
        devices=shard.local,
        num_nodes=shard.world // shard.local,
        # half of Deep's fusion is never used
        strategy="ddp_find_unused_parameters_true" if shard.world > 1 else "auto",
        default_root_dir=folder,
        logger=folder is not None,
        enable_checkpointing=folder is not None,
        enable_model_summary=False,
        gradient_clip_val=options.pop("gradient_clip_val", 5.0),
        log_every_n_steps=10,
        **options,
    )
