"""The default model, from corpora to checkpoint: pre-train, train, calibrate, score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from train.checkpoint import Checkpoint
from train.data.augment import Sounds
from train.data.batches import Condition
from train.data.examples import (
    Corpus,
    noise_for_testing,
    noise_for_training,
    sounds_for_training,
)
from train.data.manifest import Recording, read_manifest
from train.data.splits import speaker_folds
from train.evaluate import (
    Predictions,
    calibration_error,
    confidence_threshold,
    fit_temperature,
    predict,
    speech_scores,
)
from train.files import whole
from train.fit import Material, fit
from train.models.emotion import ModelConfig
from train.models.vqvae import VQVAE
from train.pretrain import pretrain
from train.provenance import provenance
from train.recipe import Recipe
from train.report.conditions import conditions
from train.report.measures import abstention, early, reliability, robustness

LABELLED = ("emodb", "cremad")
UNLABELLED = ("librispeech", "speechocean762")
SHARES = {"emodb": 4, "cremad": 1}
"""How often each corpus is gone through in an epoch: EmoDB is a twelfth of CREMA-D's size."""
UNHEARD = "ravdess"
DETAILS = ("neutral", "anger", "sadness", "happiness", "fear", "disgust", "boredom")
"""All emotions of the labelled corpora, told apart in training by an auxiliary head."""
FOLDS = 5
DEVELOPMENT_FOLD = 1
"""The fold on which sizes, augmentation, epochs, temperature and the threshold of confidence were
chosen: no figure is reported on it."""
REPORTED = (0, 2, 3)
"""The folds that the figures are the mean of."""
SHORTEST_UTTERANCE = 0.5
"""Seconds of speech that a verdict needs: single hops of noise are taken for speech at times."""
RIGHT_LABELS = 0.75
"""Share of the development speakers' labelled verdicts that the threshold of confidence makes
right."""
FALSE_ALARMS = 0.05
"""Share of the training noises' tokens that the speech threshold lets through."""
IN_ROOMS = 5
"""Every fifth recording is judged in rooms and on lines: there are eight of these to go through."""
PRETRAINING_EPOCHS = 8
FINE_TUNING_EPOCHS = 1
"""Of the VQ-VAE, on the labelled corpora's training speakers."""

FACTS: dict[str, Any] = {
    "name": "default",
    "version": "0.1.0",
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
    ],
}


@dataclass
class Corpora:
    """Everything that the default model is made from."""

    labelled: dict[str, Corpus]
    unlabelled: dict[str, Corpus]
    noise: Corpus
    unheard: Corpus
    """Never trained with: what the model makes of a corpus that it does not know."""
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
        """What training mixes in."""
        return sounds_for_training(self.noise, self.impulse_responses)

    def recordings(self) -> list[Recording]:
        """All labelled recordings."""
        return [r for corpus in self.labelled.values() for r in corpus.recordings]

    def material(self, speakers: set[str], recipe: Recipe, labels: Sequence[str]) -> Material:
        """What a fit may learn from when these speakers are the ones to train on."""
        labelled = [
            example
            for name, corpus in self.labelled.items()
            for example in corpus.labelled(labels, speakers, recipe.perceived, DETAILS)
            * SHARES[name]
        ]
        # Enough speech without emotion, and enough noise, to tell the two apart.
        spoken = self.unlabelled["librispeech"].unlabelled()[::3]
        spoken += self.unlabelled["speechocean762"].unlabelled()[::6]
        silent = noise_for_training(self.noise)
        return Material(labelled, [*spoken, *silent[::2]], self.sounds())


@dataclass(frozen=True)
class Run:
    """One making of the default model. Finished stages are kept in ``work``, not done again."""

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
        with whole(path) as partial:
            save_file(vqvae.state_dict(), partial)
        return vqvae

    def trained(self, name: str, speakers: set[str]) -> Checkpoint:
        """A model trained on the given speakers alone, from the pre-trained VQ-VAE on."""
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

    def fold(
        self,
        index: int,
        threshold: float,
        condition: Condition | None = None,
        every: int = 1,
    ) -> dict[str, Predictions]:
        """Each corpus's speakers of a fold, judged by a model that has heard none of them.

        With ``every``, only so many-th recordings.
        """
        held = self.held(index)
        everyone = {r.speaker for r in self.corpora.recordings()}
        model = self.trained(f"fold-{index}", everyone - held).model
        return {
            name: predict(
                model,
                corpus.labelled(self.config.labels, held)[::every],
                threshold=threshold,
                condition=condition,
            )
            for name, corpus in self.corpora.labelled.items()
        }


def scored(folds: Sequence[Predictions], temperature: float) -> dict[str, Any]:
    """Figures on one corpus, each the mean over folds, for the manifest."""
    scores = [fold.scores(temperature) for fold in folds]
    gaps = [calibration_error(f.probabilities(temperature), f.truth) for f in folds]
    return {
        "ua": round(float(np.mean([s.ua for s in scores])), 4),
        "wa": round(float(np.mean([s.wa for s in scores])), 4),
        "f1": round(float(np.mean([s.f1 for s in scores])), 4),
        "ua_by_fold": [round(s.ua, 4) for s in scores],
        "calibration_error": round(float(np.mean(gaps)), 4),
        "test_utterances": sum(len(fold.truth) for fold in folds),
        "confusion": np.sum([s.confusion for s in scores], axis=0).tolist(),
    }


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Several predictions as one."""
    longest = max(part.logits.shape[1] for part in parts)
    logits = [
        torch.nn.functional.pad(p.logits, (0, 0, 0, longest - p.logits.shape[1])) for p in parts
    ]
    return Predictions(
        torch.cat(logits),
        torch.cat([p.tokens for p in parts]),
        np.concatenate([p.truth for p in parts]),
        parts[0].threshold,
    )


def build(data: Path, work: Path, recipe: Recipe, folds: Sequence[int] = REPORTED) -> Checkpoint:
    """Everything from corpora to a checkpoint with its figures.

    The shipped weights are trained on all speakers of the labelled corpora, for as many epochs as
    the recipe says; the figures and the temperature come from models of the same recipe, one for
    each of ``folds``, each judged on speakers that it has not heard.
    """
    corpora = Corpora.read(data, work / "features")
    run = Run(corpora, recipe, ModelConfig(), work)
    final = run.trained("everyone", {r.speaker for r in corpora.recordings()})
    model = final.model
    noise = speech_scores(predict(model, noise_for_training(corpora.noise))).double()
    threshold = round(float(noise.quantile(1 - FALSE_ALARMS)), 2)
    chosen_on = joined(list(run.fold(DEVELOPMENT_FOLD, threshold).values()))
    temperature = fit_temperature(chosen_on)
    confidence = confidence_threshold(
        chosen_on.probabilities(temperature), chosen_on.truth, RIGHT_LABELS
    )

    def judge(condition: Condition | None, every: int = 1) -> dict[str, list[Predictions]]:
        judged = [run.fold(i, threshold, condition, every) for i in folds]
        strangers = corpora.unheard.labelled(model.config.labels)[::every]
        return {
            **{name: [result[name] for result in judged] for name in corpora.labelled},
            UNHEARD: [predict(model, strangers, threshold=threshold, condition=condition)],
        }

    heard = judge(None)
    tried = conditions(corpora.noise, corpora.impulse_responses)
    steps = [round(0.05 * i, 2) for i in range(5, 20)]
    new_noise = speech_scores(predict(model, noise_for_testing(corpora.noise)))
    training = {
        "corpora": {n: len(c.speakers()) for n, c in corpora.labelled.items()},
        "pretraining": {n: len(c.recordings) for n, c in corpora.unlabelled.items()},
        "speaker_independent": {
            name: {
                **scored(heard[name], temperature),
                "folds": len(folds),
                "test_speakers": sum(len(run.held(i) & corpus.speakers()) for i in folds),
            }
            for name, corpus in corpora.labelled.items()
        },
        "cross_corpus": {
            UNHEARD: {
                **scored(heard[UNHEARD], temperature),
                "test_speakers": len(corpora.unheard.speakers()),
            }
        },
        "noise": {
            "frames": len(new_noise),
            "taken_for_speech": round(float((new_noise >= threshold).float().mean()), 4),
        },
        "chosen": {"on_fold": DEVELOPMENT_FOLD, "right": RIGHT_LABELS},
        "robustness": robustness(lambda c: judge(c, IN_ROOMS), tried, temperature),
        "early": early(heard, temperature),
        "reliability": {name: reliability(parts, temperature) for name, parts in heard.items()},
        "abstention": {
            name: abstention(parts, temperature, sorted({*steps, confidence}))
            for name, parts in heard.items()
        },
        "recipe": recipe.to_dict(),
        "provenance": final.facts["provenance"],
    }
    thresholds = {"speech": threshold, "confidence": confidence, "utterance": SHORTEST_UTTERANCE}
    return Checkpoint(model, temperature, thresholds, {**FACTS, "training": training})
