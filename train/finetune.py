"""A better model for one's own voices: training goes on from a checkpoint with a folder of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import soundfile

from train.checkpoint import Checkpoint
from train.data.augment import Sounds
from train.data.batches import Example
from train.data.corpora.files import visible
from train.data.corpora.table import read_table
from train.data.examples import Corpus
from train.data.manifest import CorpusError, Recording
from train.evaluate import fit_temperature, predict
from train.fit import Material, fit
from train.metrics import Scores
from train.provenance import provenance
from train.recipe import Recipe

HELD_OUT = 0.2
"""Share of the speakers (or, if these are not known, of the recordings) to validate on."""
ENDINGS = {f".{name.lower()}" for name in soundfile.available_formats()} | {".opus", ".mp3"}


@dataclass(frozen=True)
class Replay:
    """What the checkpoint was made of, to be heard again, and sounds to mix in; may be empty."""

    examples: Sequence[Example] = ()
    sounds: Sounds = field(default_factory=Sounds)


@dataclass(frozen=True)
class Gain:
    """What training on brought: scores on the held-out part before and after."""

    before: Scores
    after: Scores
    held: int
    by_speaker: bool
    checkpoint: Checkpoint

    def __str__(self) -> str:
        who = "speakers it was not trained on" if self.by_speaker else "recordings kept back"
        caution = (
            "" if self.by_speaker else "; speakers are not known, so these may be the same voices"
        )
        return (
            f"UA {self.before.ua:.3f} before, {self.after.ua:.3f} after, on {self.held} recordings "
            f"of {who}{caution} (the best epoch was chosen on them: expect a little less)"
        )


def own_recordings(folder: Path, labels: Sequence[str]) -> list[Recording]:
    """The recordings of a folder: as its one CSV lists them, or in folders named by emotion.

    Raises CorpusError if there are none, or if none has an emotion that the model knows.
    """
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder}: expected your recordings there")
    if any(visible(table) for table in folder.glob("*.csv")):
        found = read_table(folder)
    else:
        found = [
            Recording(path, folder.name, "", place.name.lower(), "", "")
            for place in sorted(filter(Path.is_dir, folder.iterdir()))
            for path in sorted(place.rglob("*"))
            if visible(path) and path.suffix.lower() in ENDINGS
        ]
    usable = [r for r in found if r.emotion in labels]
    missing = [label for label in labels if not any(r.emotion == label for r in usable)]
    if missing:
        had = ", ".join(sorted({r.emotion for r in found})) or "none"
        raise CorpusError(
            f"{folder} has no recording of {', '.join(missing)} (it has {had}): expected a CSV "
            f"with path, corpus, speaker and emotion, or folders named {', '.join(labels)}, with "
            "each of these emotions"
        )
    return usable


def held_out(recordings: Sequence[Recording], seed: int) -> tuple[set[Path], bool]:
    """Paths to validate on, and whether they are all of certain speakers."""
    speakers = sorted({r.speaker for r in recordings})
    shuffled = random.Random(seed)
    if all(speakers) and len(speakers) > 1:
        shuffled.shuffle(speakers)
        chosen = set(speakers[: max(1, round(HELD_OUT * len(speakers)))])
        return {r.path for r in recordings if r.speaker in chosen}, True
    held: set[Path] = set()
    for emotion in sorted({r.emotion for r in recordings}):
        paths = sorted(r.path for r in recordings if r.emotion == emotion)
        if len(paths) < 2:
            raise CorpusError(f"one recording of {emotion} is too few: expected two or more")
        shuffled.shuffle(paths)
        held.update(paths[: max(1, round(HELD_OUT * len(paths)))])
    return held, False


def finetune(
    start: Checkpoint,
    recordings: Sequence[Recording],
    recipe: Recipe,
    work: Path,
    facts: dict[str, Any],
    replay: Replay | None = None,
) -> Gain:
    """Train on from ``start``, which stays as it is; ``facts`` names the result and its licence.

    Temperature is fitted anew on the held-out part. Raises CorpusError if there is too little.
    """
    replay = replay or Replay()
    labels = start.model.config.labels
    corpus = Corpus(recordings, work / "features")
    examples = corpus.labelled(labels)
    held, by_speaker = held_out(recordings, recipe.seed)
    validation = [e for e in examples if corpus.recordings[e.index].path in held]
    training = [e for e in examples if corpus.recordings[e.index].path not in held]
    for part, what in ((training, "to train on"), (validation, "to validate on")):
        if not part:
            raise CorpusError(f"nothing is left {what}: expected recordings of more speakers")
    material = Material([*training, *replay.examples], (), replay.sounds)
    model = fit(
        material,
        recipe,
        start.model.config,
        validation=validation,
        folder=work / "logs" / facts["name"],
        start=start.model,
    )
    threshold = start.thresholds["speech"]
    old = predict(start.model, validation, threshold=threshold)
    new = predict(model, validation, threshold=threshold)
    temperature = fit_temperature(new)
    before, after = old.scores(start.temperature), new.scores(temperature)
    known = {**start.facts, **facts}
    known["training"] = {
        "from": " ".join(start.facts.get(key, "") for key in ("name", "version")).strip(),
        "recordings": len(training),
        "replayed": len(replay.examples),
        "validation": {
            "recordings": len(validation),
            "by_speaker": by_speaker,
            "ua_before": round(before.ua, 4),
            "ua_after": round(after.ua, 4),
        },
        "recipe": recipe.to_dict(),
        "provenance": provenance(recipe.seed),
    }
    made = Checkpoint(model, temperature, start.thresholds, known)
    return Gain(before, after, len(validation), by_speaker, made)


def gentle(recipe: Recipe) -> Recipe:
    """A recipe for training on: a fourth of the rate, and no auxiliary emotions."""
    return replace(recipe, learning_rate=recipe.learning_rate / 4, detail_weight=0.0)
