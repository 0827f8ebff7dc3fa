"""What one process takes of an epoch where several train together, under ``torchrun``."""

import os
from dataclasses import dataclass

from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

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
        if not TorchElasticEnvironment.detect():
            return Shard()
        about = TorchElasticEnvironment()
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return Shard(about.global_rank(), about.world_size(), local)

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
