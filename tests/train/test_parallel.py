"""Several processes train one model, started by ``torchrun``, on a CPU."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.train.models import small_config, voice
from train.data.batches import Batches
from train.data.examples import Corpus
from train.data.manifest import CorpusError, Recording
from train.data.shard import Shard
from train.files import atomic_write
from train.fit import Material, fit
from train.models.vqvae import VQVAE
from train.pretrain import pretrain
from train.recipe import Recipe

LABELS = ("neutral", "anger", "sadness", "happiness")


def corpus(folder: Path) -> Corpus:
    """Forty recordings, written by the first process."""
    recordings = []
    for i in range(40):
        path = folder / f"{i}.flac"
        if not path.is_file():
            soundfile.write(path, np.diff(voice(0.3, seed=i)[0].numpy(), n=i % 4), 16_000)
        recordings.append(Recording(path, "made", f"s{i % 3}", LABELS[i % 4], "", ""))
    return Corpus(recordings, folder / "cache")


def test_a_share_is_every_so_manyth_batch() -> None:
    assert list(Shard().of(5)) == [0, 1, 2, 3, 4]
    assert [list(Shard(rank, 2).of(5)) for rank in range(2)] == [[0, 2], [1, 3]]
    assert Shard.here() == Shard()
    with pytest.raises(CorpusError, match="2 processes but only 1 batch"):
        Shard(0, 2).of(1)


def test_shares_of_an_epoch_are_disjoint(tmp_path: Path) -> None:
    examples = corpus(tmp_path).labelled(LABELS)
    shares = [
        Batches(examples, 8, small_config().level, seed=3, shard=Shard(rank, 2))
        for rank in range(2)
    ]
    assert [len(share) for share in shares] == [2, 2]
    heard = [torch.cat([b.segments.spectrogram.flatten(1) for b in share]) for share in shares]
    together = torch.cat(heard)
    assert len(together) == 32
    assert len(together.unique(dim=0)) == 32


def test_nobody_reads_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with atomic_write(path) as partial:
        partial.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    with pytest.raises(FileNotFoundError), atomic_write(path):
        (tmp_path / "missing").read_text()
    assert path.read_text() == "half"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def train(folder: Path) -> None:
    """What each process does: pre-train, train, save what it has."""
    torch.set_num_threads(1)
    examples, shard = corpus(folder).labelled(LABELS), Shard.here()
    recipe = Recipe(epochs=2, batch=8, precision="32-true", detail_weight=0)
    config = small_config()
    vqvae = VQVAE(config.vqvae)
    pretrain(vqvae, examples, recipe, config.level, 1, 1e-3)
    model = fit(Material(examples), recipe, config, vqvae, examples[:4], folder / "logs")
    torch.save((shard, model.state_dict()), folder / f"{shard.rank}.pt")


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_processes_end_with_one_model(tmp_path: Path) -> None:
    corpus(tmp_path)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, "-m", "tests.train.test_parallel", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    torch.serialization.add_safe_globals([Shard])
    (first, one), (second, other) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert (first, second) == (Shard(0, 2, 2), Shard(1, 2, 2))
    statistics = ("running_mean", "running_var")  # of batch normalisation: each its own
    shared = [name for name in one if not name.endswith(statistics)]
    assert {"fusion.codebook.codes", "head.weight"} <= set(shared)
    assert all(torch.equal(one[name], other[name]) for name in shared)
    start = torch.load(tmp_path / "logs" / "checkpoints" / "last.ckpt")
    assert start["global_step"] == 4  # five batches of eight: two a process, two epochs


if __name__ == "__main__":
    train(Path(sys.argv[1]))
