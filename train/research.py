"""The research model: the default one, trained on with RAVDESS, under RAVDESS's licence."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from train.checkpoint import Checkpoint
from train.data.batches import Example
from train.data.examples import noise_for_testing
from train.data.splits import speaker_folds
from train.default import DEVELOPMENT_FOLD, FACTS, FOLDS, REPORTED, UNHEARD, Corpora, Run, scored
from train.evaluate import Predictions, fit_temperature, predict, speech_scores
from train.finetune import gentle
from train.fit import Material, fit
from train.models.emotion import EmotionModel, ModelConfig
from train.provenance import provenance
from train.recipe import Recipe

EPOCHS = 2
REPLAYED = 6
"""Every sixth recording of the default model's corpora is heard again beside RAVDESS."""
SHARE = 2
"""How often RAVDESS is gone through in an epoch."""
LICENCE = "CC-BY-NC-SA-4.0 AND ODbL-1.0 AND Apache-2.0"
NOTICE = (
    "Trained on RAVDESS (Livingstone and Russo 2018), actors 01 to 20, CC BY-NC-SA 4.0: for "
    "research, not for commercial use, and to be passed on under the same licence."
)


def research(data: Path, work: Path, start: Checkpoint, recipe: Recipe) -> Checkpoint:
    """Train on from the default model, on all of RAVDESS; figures are from folds by speaker.

    The folds' models start from the default model too, which has heard nothing of RAVDESS.
    """
    corpora = Corpora.read(data, work / "features")
    recipe = gentle(replace(recipe, epochs=EPOCHS))
    labels = start.model.config.labels
    ravdess = corpora.unheard
    everyone = {r.speaker for r in corpora.recordings()}
    run = Run(corpora, recipe, ModelConfig(), work)
    replayed = run.corpora.material(everyone, recipe, labels)

    def trained(name: str, speakers: set[str]) -> EmotionModel:
        path = work / f"research-{name}.safetensors"
        if path.is_file():
            return Checkpoint.load(path).model
        own = ravdess.labelled(labels, speakers) * SHARE
        material = Material(
            [*_plain(own), *_plain(_with_target(replayed.labelled)[::REPLAYED])],
            replayed.unlabelled,
            replayed.sounds,
        )
        folder = work / "logs" / f"research-{name}"
        model = fit(material, recipe, start.model.config, folder=folder, start=start.model)
        Checkpoint(model).save(path)
        return Checkpoint.load(path).model

    threshold = start.thresholds["speech"]
    folds = speaker_folds(ravdess.recordings, FOLDS)
    actors = ravdess.speakers()

    def judged(index: int) -> Predictions:
        model = trained(f"fold-{index}", actors - folds[index])
        return predict(model, ravdess.labelled(labels, folds[index]), threshold=threshold)

    parts = [judged(index) for index in REPORTED]
    temperature = fit_temperature(judged(DEVELOPMENT_FOLD))
    model = trained("everyone", actors)
    noise = speech_scores(predict(model, noise_for_testing(corpora.noise)))
    training: dict[str, Any] = {
        **start.facts["training"],
        "corpora": {**start.facts["training"]["corpora"], UNHEARD: len(actors)},
        "speaker_independent": {
            UNHEARD: {
                **scored(parts, temperature),
                "folds": len(REPORTED),
                "test_speakers": sum(len(folds[i] & actors) for i in REPORTED),
            }
        },
        "cross_corpus": {},
        "noise": {
            "frames": len(noise),
            "taken_for_speech": round(float((noise >= threshold).float().mean()), 4),
        },
        "recipe": recipe.to_dict(),
        "provenance": provenance(recipe.seed),
    }
    for stale in ("robustness", "early", "reliability", "abstention"):
        training.pop(stale, None)  # measured on the default model
    facts = {
        **FACTS,
        "name": "research",
        "licence": LICENCE,
        "notices": [NOTICE, *FACTS["notices"]],
        "training": training,
    }
    return Checkpoint(model, temperature, start.thresholds, facts)


def _with_target(examples: Sequence[Example]) -> list[Example]:
    return [e for e in examples if e.target]


def _plain(examples: Sequence[Example]) -> list[Example]:
    """Without the auxiliary emotions, which training on leaves out."""
    return [replace(e, detail=()) for e in examples]
