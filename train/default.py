"""The default model's corpora, and trainings on clips that the studies compare."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from train.checkpoint import Checkpoint
from train.data.augment import Sounds
from train.data.examples import (
    Corpus,
    noise_for_training,
    sounds_for_training,
)
from train.data.manifest import Recording, read_manifest
from train.data.splits import speaker_folds
from train.files import atomic_write
from train.fit import Material, fit
from train.models.emotion import ModelConfig
from train.models.vqvae import VQVAE
from train.pretrain import pretrain
from train.provenance import provenance
from train.recipe import Recipe

LABELLED = ("emodb", "cremad")
UNLABELLED = ("librispeech", "speechocean762")
SHARES = {"emodb": 4, "cremad": 1}
"""Repetitions of each corpus in an epoch: EmoDB has a twelfth of CREMA-D's size."""
UNHEARD = "ravdess"
DETAILS = ("neutral", "anger", "sadness", "happiness", "fear", "disgust", "boredom")
"""All emotions of the labelled corpora; an auxiliary head distinguishes them in training."""
FOLDS = 5
DEVELOPMENT_FOLD = 1
"""The fold on which the studies chose sizes, augmentation, epochs, temperature and the confidence
threshold; no results are reported on it. The bundled model's fold is in ``product.py``."""
REPORTED = (0, 2, 3)
"""Reported results are means over these folds."""
PRETRAINING_EPOCHS = 8
FINE_TUNING_EPOCHS = 1
"""Epochs of the VQ-VAE on the labelled corpora's training speakers."""

FACTS: dict[str, Any] = {
    "name": "default",
    "version": "0.2.0",
    "licence": "ODbL-1.0 AND Apache-2.0",
    "notices": [
        "Trained on EmoDB (Burkhardt et al. 2005, CC0 1.0; some list it as CC BY 4.0).",
        "Trained on CREMA-D (Cao et al. 2014), reconstructed from log-mel spectrograms.",
        (
            "CREMA-D is made available under the Open Database License 1.0; any rights in "
            "individual contents of it are licensed under the Database Contents License 1.0."
        ),
        "Pre-trained on LibriSpeech (Panayotov et al. 2015, CC BY 4.0).",
        "Pre-trained on speechocean762 (Zhang et al. 2021, Apache-2.0).",
        "Noises for training: ESC-10 (Piczak 2015) without its Sampling+ clips, CC BY and CC0.",
        "Noises for training: background noises of Speech Commands (Warden 2018, CC BY 4.0).",
        "Impulse responses for training: plate reverberations (EMT 140, G. Hopkins, CC BY).",
        "Distilled from the encoder of Whisper base (Radford et al. 2022, OpenAI, MIT licence).",
        "Music for training: random pieces on the font FluidR3 GM (Frank Wen, MIT licence).",
    ],
}


@dataclass
class Corpora:
    """All data of the default model."""

    labelled: dict[str, Corpus]
    unlabelled: dict[str, Corpus]
    noise: Corpus
    unheard: Corpus
    """A corpus that is never used in training, to test on unknown data."""
    impulse_responses: list[Recording]

    @staticmethod
    def read(data: Path, cache: Path) -> "Corpora":
        manifest = read_manifest(data / "manifest.csv")

        def of(names: Sequence[str], clean: bool = False) -> dict[str, Corpus]:
            return {name: Corpus.of(manifest, name, cache, clean) for name in names}

        noise, unheard = (Corpus.of(manifest, name, cache) for name in ("noise", UNHEARD))
        rooms = [r for r in manifest if r.corpus == "rir"]
        return Corpora(of(LABELLED, clean=True), of(UNLABELLED), noise, unheard, rooms)

    def sounds(self) -> Sounds:
        """The sounds that training mixes in."""
        return sounds_for_training(self.noise, self.impulse_responses)

    def recordings(self) -> list[Recording]:
        """All labelled recordings."""
        return [r for corpus in self.labelled.values() for r in corpus.recordings]

    def material(self, speakers: set[str], recipe: Recipe, labels: Sequence[str]) -> Material:
        """Training data when these are the training speakers."""
        labelled = [
            example
            for name, corpus in self.labelled.items()
            for example in corpus.labelled(labels, speakers, recipe.perceived, DETAILS)
            * SHARES[name]
        ]
        # Enough speech without emotion, and enough noise, to learn to distinguish them.
        spoken = self.unlabelled["librispeech"].unlabelled()[::3]
        spoken += self.unlabelled["speechocean762"].unlabelled()[::6]
        silent = noise_for_training(self.noise)
        return Material(labelled, [*spoken, *silent[::2]], self.sounds())


@dataclass(frozen=True)
class Run:
    """Trainings on clips. Finished stages are stored in ``work`` and not repeated."""

    corpora: Corpora
    recipe: Recipe
    config: ModelConfig
    work: Path

    def pretrained(self) -> VQVAE:
        """The VQ-VAE, pre-trained on the unlabelled corpora."""
        path = self.work / "vqvae.safetensors"
        vqvae = VQVAE(self.config.vqvae)
        if path.is_file():
            vqvae.load_state_dict(load_file(path))
            return vqvae.eval()
        examples = [e for c in self.corpora.unlabelled.values() for e in c.unlabelled()]
        sounds, level = self.corpora.sounds(), self.config.level
        pretrain(vqvae, examples, self.recipe, level, PRETRAINING_EPOCHS, 1e-3, sounds)
        with atomic_write(path) as partial:
            save_file(vqvae.state_dict(), partial)
        return vqvae

    def trained(self, name: str, speakers: set[str]) -> Checkpoint:
        """A model trained on the given speakers only, starting from the pre-trained VQ-VAE."""
        path = self.work / f"{name}.safetensors"
        if path.is_file():
            return Checkpoint.load(path)
        vqvae = self.pretrained()
        material = self.corpora.material(speakers, self.recipe, self.config.labels)
        once = {(id(e.cache), e.index): e for e in material.labelled}
        audio = [replace(e, target=(), detail=()) for e in once.values()]
        level = self.config.level
        pretrain(vqvae, audio, self.recipe, level, FINE_TUNING_EPOCHS, 3e-4, material.sounds)
        model = fit(material, self.recipe, self.config, vqvae, folder=self.work / "logs" / name)
        Checkpoint(model, facts={"provenance": provenance(self.recipe.seed)}).save(path)
        return Checkpoint.load(path)

    def held(self, index: int) -> set[str]:
        """The speakers of a fold."""
        return speaker_folds(self.corpora.recordings(), FOLDS)[index]
