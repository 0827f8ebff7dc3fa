"""Epochs of batches for several trainings: computed once, stored on disk."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import IterableDataset

from train.data.batches import Batch, Batches
from train.models.segment import Segments


class CachedBatches(IterableDataset[Batch]):
    """A fixed number of epochs of ``batches``, with augmentation and order.

    Views are stored in bfloat16, to which mixed precision rounds them anyway. ``about`` describes
    everything that the batches depend on; when it changes, they are computed again.
    """

    def __init__(
        self, batches: Batches, folder: Path, epochs: int, about: Mapping[str, Any]
    ) -> None:
        shard = batches.shard
        folder = folder / f"{shard.rank}-of-{shard.world}"
        self.size, self.epochs, self.folder = len(batches), epochs, folder
        self.next = 0
        made = folder / "made.json"
        wanted = json.dumps({"epochs": epochs, "batches": self.size, **about}, sort_keys=True)
        if made.is_file() and made.read_text(encoding="utf-8") == wanted:
            return
        made.unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        for epoch in range(epochs):
            for index, batch in enumerate(batches):
                save_file(_tensors(batch), self._path(epoch, index))
        made.write_text(wanted, encoding="utf-8")

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Batch]:
        """The next epoch; after the last one, the first again."""
        epoch, self.next = self.next % self.epochs, self.next + 1
        for index in range(self.size):
            yield _batch(load_file(self._path(epoch, index)))

    def _path(self, epoch: int, index: int) -> Path:
        return self.folder / f"{epoch}-{index}.safetensors"


def _tensors(batch: Batch) -> dict[str, torch.Tensor]:
    views = {
        name: view.to(torch.bfloat16).contiguous()
        for name, view in batch.segments._asdict().items()
    }
    rest = {name: part for name, part in vars(batch).items() if name != "segments"}
    return {**views, **rest}


def _batch(tensors: dict[str, torch.Tensor]) -> Batch:
    views = Segments(*(tensors.pop(name).float() for name in Segments._fields))
    return Batch(views, **tensors)
