"""Recordings of the default model's corpora, to train with besides your own."""

import random
from dataclasses import replace
from pathlib import Path

from train.checkpoint import Checkpoint
from train.data.audio import read_audio
from train.data.manifest import CorpusError, read_manifest
from train.default import FACTS, LABELLED
from train.finetune.recipe import OwnRecipe
from train.finetune.tokens import heard
from train.sessions import Utterance

REPLAYED_LICENCE = str(FACTS["licence"])
REPLAYED_NOTICES: list[str] = [n for n in FACTS["notices"] if "EmoDB" in n or "CREMA-D" in n]


def replayed(
    parent: Checkpoint, data: Path, labels: tuple[str, ...], recipe: OwnRecipe
) -> tuple[Utterance, ...]:
    """Random utterances with these labels by the parent's training speakers.

    Test and development speakers of the parent are excluded. All form one corpus, so there are as
    many sessions of them as of your own.
    """
    training = parent.facts.get("training", {})
    kept_out = {*training.get("judged_by", ()), *training.get("chosen_on", ())}
    usable = [
        r
        for r in read_manifest(data / "manifest.csv")
        if r.corpus in LABELLED and r.emotion in labels and r.speaker not in kept_out
    ]
    if not usable:
        raise CorpusError(
            f"{data} has no recordings of {', '.join(LABELLED)} with {', '.join(labels)}: leave "
            "--replay out"
        )
    random.Random(recipe.seed).shuffle(usable)
    chosen = usable[: recipe.replay]
    audio = [read_audio(r.path) for r in chosen]
    found = heard(parent.model, chosen, audio, labels, parent.thresholds["speech"], recipe.rooms)
    return tuple(replace(u, corpus="replay") for u in found if u is not None)
