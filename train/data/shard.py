"""What one process takes of an epoch where several train together, under ``torchrun``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from train.data.manifest import CorpusError


@dataclass(frozen=True)
class Shard:
    """Every ``world``-th batch, from the ``rank``-th on; all of them for a process alone."""

    rank: int = 0
    world: int = 1
    local: int = 1
    """Processes on this machine."""

    @staticmethod
    def here() -> "Shard":
        """This process's, as ``torchrun`` says."""
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_torchelastic_launched()):
            return Shard()
        rank, world, local = (
            int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
        )
        return Shard(rank, world, local)

    def alone(self, what: str, instead: str) -> None:
        """Raises CorpusError where several processes would each do the same."""
        if self.world > 1:
            raise CorpusError(f"{what} goes in one process, and here are {self.world}: {instead}")

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Meet the other processes, and leave them in the end; nothing for a process alone."""
        if self.world == 1:
            yield
            return
        # Not every PyTorch has these.
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        store, rank, world = next(rendezvous("env://"))
        # All attempts share torchrun's store, where addresses of the attempt before are still told.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        torch.distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=PrefixStore(f"attempt {attempt}", store),
            rank=rank,
            world_size=world,
        )
        try:
            yield
        finally:
            torch.distributed.destroy_process_group()

    def of(self, batches: int) -> range:
        """Which of an epoch's batches: as many for every process, so that none waits for ever.

        Raises CorpusError if there is not one for each.
        """
        if batches < self.world:
            raise CorpusError(
                f"there are {self.world} processes but only {batches} batch(es) in an epoch: "
                "expected one each; train with fewer processes or on more recordings"
            )
        return range(self.rank, batches - batches % self.world, self.world)
