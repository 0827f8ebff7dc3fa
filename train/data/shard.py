"""The share of an epoch that one process takes when several train together, under ``torchrun``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from train.data.manifest import CorpusError


@dataclass(frozen=True)
class Shard:
    """Every ``world``-th batch, starting with the ``rank``-th; all of them for a single process."""

    rank: int = 0
    world: int = 1
    local: int = 1
    """Processes on this machine."""

    @staticmethod
    def here() -> "Shard":
        """This process's shard, from ``torchrun``'s variables."""
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_torchelastic_launched()):
            return Shard()
        rank, world, local = (
            int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
        )
        return Shard(rank, world, local)

    def alone(self, what: str, instead: str) -> None:
        """Raises CorpusError if several processes would all do the same work."""
        if self.world > 1:
            raise CorpusError(f"{what} goes in one process, and here are {self.world}: {instead}")

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Joins the other processes, and leaves them at the end; a single process does nothing."""
        if self.world == 1:
            yield
            return
        # Older versions of PyTorch lack these.
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        store, rank, world = next(rendezvous("env://"))
        # All attempts share torchrun's store, which still has the addresses of the previous
        # attempt.
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
        """This shard's batches of an epoch: as many as every other's, so that none waits forever.

        Raises CorpusError if there is not one for each process.
        """
        if batches < self.world:
            raise CorpusError(
                f"there are {self.world} processes but only {batches} batch(es) in an epoch: "
                "expected one each; train with fewer processes or on more recordings"
            )
        return range(self.rank, batches - batches % self.world, self.world)
