"""The trainings of the comparison: every sequence model on both representations, fold by fold.

A finished training is stored in the work folder and not repeated.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from train.data.batches import Batches, Example
from train.data.examples import Corpus
from train.data.manifest import read_manifest
from train.data.splits import Split, grouped_splits, random_split
from train.evaluate import predict
from train.files import atomic_write
from train.fit import Material, fit
from train.models.cnn import CNNConfig
from train.models.emotion import EmotionModel, ModelConfig
from train.models.vqvae import VQVAE
from train.pretrain import pretrain
from train.provenance import provenance
from train.recipe import Recipe
from train.studies.reproduce.paper import SEQUENCES

FINE_TUNING_EPOCHS = 2
SMALL = CNNConfig((16, 32, 48), narrow=0)
"""Only the spectrogram, as in the paper, and few channels, because there are many trainings."""


@dataclass(frozen=True)
class Comparison:
    """Settings of the comparison: corpus, splits, recipe and seeds."""

    data: Path
    corpus: str
    work: Path
    recipe: Recipe
    folds: Sequence[int] = (0, 1, 2, 3, 4)
    """Indices of folds by speaker, of five; with ``random``, seeds of the paper's random splits."""
    seeds: Sequence[int] = (0,)
    random: bool = False
    texts: int = 1
    """Number of folds by text; above 1, no text of a test is in its training data."""
    unlabelled: Sequence[str] = ("librispeech", "speechocean762")
    config: ModelConfig = field(default_factory=lambda: ModelConfig(cnn=SMALL))
    pretraining_epochs: int = 8

    def cases(self) -> list[tuple[str, bool, int, int]]:
        """Sequence model, latent, fold, seed.

        Each fold is finished before the next, so that unfinished results compare equal folds.
        """
        grid = product(self.seeds, self.folds, SEQUENCES, (False, True))
        return [(kind, latent, fold, seed) for seed, fold, kind, latent in grid]


class Runner:
    """Runs the trainings of a comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self.about = comparison
        cache = comparison.work / "features"
        manifest = read_manifest(comparison.data / "manifest.csv")
        self.corpus = Corpus.of(manifest, comparison.corpus, cache)
        self.manifest, self.cache = manifest, cache
        labels = comparison.config.labels
        self.recordings = [r for r in self.corpus.recordings if r.emotion in labels]
        self.splits = (
            {seed: random_split(self.recordings, seed=seed) for seed in comparison.folds}
            if comparison.random
            else self._grouped()
        )
        self.folder = comparison.work / "reproduce" / comparison.corpus
        self.folder.mkdir(parents=True, exist_ok=True)

    def _grouped(self) -> dict[int, Split]:
        """Five folds by speaker; each leaves out one of the folds by text, in turn."""
        texts = self.about.texts
        splits = grouped_splits(self.recordings, speakers=5, texts=texts)
        return {fold: splits[fold * texts + fold % texts] for fold in range(5)}

    def examples(self, split: Split) -> tuple[list[Example], list[Example]]:
        """The training and the test examples of a split."""
        train_paths = {r.path for r in split.train}
        test_paths = {r.path for r in split.test}
        examples = self.corpus.labelled(self.about.config.labels)
        paths = [self.corpus.recordings[e.index].path for e in examples]
        train = [e for e, p in zip(examples, paths, strict=True) if p in train_paths]
        test = [e for e, p in zip(examples, paths, strict=True) if p in test_paths]
        return train, test

    def vqvae(self) -> VQVAE:
        """The VQ-VAE, pre-trained on the unlabelled corpora."""
        path = self.about.work / "vqvae.safetensors"
        vqvae = VQVAE(self.about.config.vqvae)
        if path.is_file():
            vqvae.load_state_dict(load_file(path))
            return vqvae.eval()
        examples = [
            e
            for name in self.about.unlabelled
            for e in Corpus.of(self.manifest, name, self.cache).unlabelled()
        ]
        epochs, level = self.about.pretraining_epochs, self.about.config.level
        pretrain(vqvae, examples, self.about.recipe, level, epochs, 1e-3)
        with atomic_write(path) as partial:
            save_file(vqvae.state_dict(), partial)
        return vqvae

    def fine_tuned(self, fold: int) -> VQVAE:
        """The VQ-VAE, fine-tuned on the audio of a fold's training recordings."""
        path = self.folder / f"{self.split_name(fold)}-vqvae.safetensors"
        vqvae = self.vqvae()
        if path.is_file():
            vqvae.load_state_dict(load_file(path))
            return vqvae.eval()
        audio = [replace(e, target=()) for e in self.examples(self.splits[fold])[0]]
        level = self.about.config.level
        pretrain(vqvae, audio, self.about.recipe, level, FINE_TUNING_EPOCHS, 3e-4)
        with atomic_write(path) as partial:
            save_file(vqvae.state_dict(), partial)
        return vqvae

    def run(self) -> Iterator[dict[str, Any]]:
        """Yields every result, in order: scores, confusion matrix, parameters and provenance."""
        for kind, latent, fold, seed in self.about.cases():
            yield self.one(kind, latent, fold, seed)

    def one(self, kind: str, latent: bool, fold: int, seed: int) -> dict[str, Any]:
        """Trains and tests one case, or reads its stored result."""
        name = f"{self.split_name(fold)}-{kind}-{'fusion' if latent else 'deep'}-{seed}"
        path = self.folder / f"{name}.json"
        recipe = replace(self.about.recipe, seed=seed)
        if path.is_file():
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if recipe.made(stored):
                return stored
        train, test = self.examples(self.splits[fold])
        config = replace(self.about.config, sequence=kind, latent=latent)
        model = fit(Material(train), recipe, config, self.fine_tuned(fold))
        scores = predict(model, test).scores()
        if kind == "tacn" and latent:
            deep, fused, truth = representations(model, test)
            np.savez(self.folder / f"{name}.npz", deep=deep, fused=fused, truth=truth)
        result = {
            "kind": kind,
            "latent": latent,
            "fold": fold,
            "seed": seed,
            "split": str(self.splits[fold]),
            "ua": scores.ua,
            "wa": scores.wa,
            "f1": scores.f1,
            "confusion": scores.confusion.tolist(),
            "parameters": sum(p.numel() for p in model.sequence.parameters()),
            "recipe": recipe.to_dict(),
            "provenance": provenance(seed),
        }
        path.write_text(json.dumps(result), encoding="utf-8")
        return result

    def split_name(self, fold: int) -> str:
        """The start of a fold's file names."""
        texts = f"-texts{self.about.texts}" if self.about.texts > 1 else ""
        return f"{'random' if self.about.random else 'speakers'}{texts}-{fold}"


@torch.no_grad()
def representations(
    model: EmotionModel, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """R_d (N, F) and R_f (N, C), averaged over the speech of each utterance, and labels (N,)."""
    deep: list[torch.Tensor] = []
    fused: list[torch.Tensor] = []
    truth: list[torch.Tensor] = []
    for batch in Batches(examples, 32, model.config.level, shuffle=False):
        features, latent = model.frontend.read(batch.segments.flat())
        tokens = model.fusion(features, latent)
        shape, spoken = batch.speech.shape, batch.speech[..., None].float()
        for means, values in ((deep, features), (fused, tokens)):
            summed = (values.unflatten(0, shape) * spoken).sum(1)
            means.append(summed / spoken.sum(1).clamp(min=1))
        truth.append(batch.target.argmax(1))
    return torch.cat(deep).numpy(), torch.cat(fused).numpy(), torch.cat(truth).numpy()
