"""How much data is needed: models from recordings of one, two, four speakers, and so on.

A corpus stands in for somebody's own recordings. It is tested with speakers that neither the parent
nor the new model was trained on.
"""

import json
import random
import statistics
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from train.checkpoint import Checkpoint
from train.data.audio import read_audio
from train.data.manifest import CorpusError, Recording, read_manifest
from train.files import atomic_write
from train.finetune.figures import counted, interval
from train.finetune.heard import each_alone
from train.finetune.recipe import OwnRecipe
from train.finetune.recordings import Own
from train.finetune.run import Maker
from train.judge.hearing import Figures
from train.judge.page import table
from train.provenance import provenance

PAGE = """\
# Amount of data and accuracy

{introduction}

{judged}

```{{drawn}} own-data
:alt: {alt}
Bars are the intervals.
```

{table}

Recall of each emotion:

{recalls}

{caution}

Commit {commit}, torch {torch}; made by
`python -m train amount --corpus {corpus} --config recipe.yaml` with that recipe. Every figure is in
[own-data.json](own-data.json).
"""


@dataclass(frozen=True)
class Amount:
    """One study. ``sizes``: numbers of training speakers; ``seeds``: draw different ones."""

    data: Path
    parent: Checkpoint
    corpus: str
    recipe: OwnRecipe
    sizes: Sequence[int] = (1, 2, 4)
    seeds: int = 1
    tell: Callable[[str], None] = lambda _: None

    def results(self) -> dict[str, Any]:
        """All results. Raises CorpusError if the corpus is absent or has too few speakers."""
        recordings = [
            r for r in read_manifest(self.data / "manifest.csv") if r.corpus == self.corpus
        ]
        if not recordings:
            raise CorpusError(f"the manifest has no corpus {self.corpus!r}")
        judges, others = self.divided(recordings)
        if len(others) < max(self.sizes):
            raise CorpusError(
                f"{self.corpus} has {len(others)} speakers to train on beside {len(judges)} that "
                f"judge: too few for {max(self.sizes)}"
            )
        audio = tuple(read_audio(r.path) for r in recordings)
        known = self.parent.model.config.labels
        there = {r.emotion for r in recordings}
        labels = (*(k for k in known if k in there), *sorted(there - set(known)))
        own = Own(tuple(recordings), audio, labels)
        judged = own.of([i for i, r in enumerate(recordings) if r.speaker in judges])
        rest = own.of([i for i, r in enumerate(recordings) if r.speaker in others])
        maker = Maker(self.parent, rest, self.recipe, tell=self.tell)
        points = []
        for seed in range(self.seeds):
            order = sorted(others)
            random.Random(seed).shuffle(order)
            for size in self.sizes:
                chosen = set(order[:size])
                points.append(self.point(maker, judged, chosen, seed))
        training = self.parent.facts.get("training", {})
        return {
            "corpus": self.corpus,
            "labels": list(labels),
            "known": [label for label in labels if label in known],
            "parent": " ".join(str(self.parent.facts.get(k, "")) for k in ("name", "version")),
            "heard": self.corpus in training.get("corpora", {}),
            "judges": sorted(judges),
            "judged": len(judged.recordings),
            "seeds": self.seeds,
            "points": points,
            "recipe": {"epochs": self.recipe.epochs, "rooms": self.recipe.rooms},
            "provenance": provenance(self.recipe.seed),
        }

    def divided(self, recordings: Sequence[Recording]) -> tuple[set[str], set[str]]:
        """Test speakers, and training speakers."""
        training = self.parent.facts.get("training", {})
        everyone = {r.speaker for r in recordings}
        if self.corpus in training.get("corpora", {}):
            unheard = {*training.get("judged_by", ()), *training.get("chosen_on", ())}
            return everyone & unheard, everyone - unheard
        order = sorted(everyone)
        random.Random(0).shuffle(order)
        return set(order[: len(order) // 2]), set(order[len(order) // 2 :])

    def point(self, maker: Maker, judged: Own, speakers: set[str], seed: int) -> dict[str, Any]:
        """One model and its results."""
        labels = judged.labels
        rows = [i for i, r in enumerate(maker.own.recordings) if r.speaker in speakers]
        gate = self.parent.thresholds["speech"]
        maker.recipe = replace(self.recipe, seed=seed)
        self.tell(f"{len(speakers)} speakers, {len(rows)} recordings")
        model = maker.trained(rows, gate)
        limits = {"speech": gate, "confidence": 0.0, "utterance": 0.0}
        frames = each_alone(maker.loaded(model, limits), judged)
        heard = [f.heard(labels, 1.0, 0.0, 0.0) for f in frames]
        found = Figures.of(heard, labels)
        self.tell(f"UA {found.ua:.3f}")
        counts = counted([maker.own.recordings[i] for i in rows], labels)
        return {
            "speakers": len(speakers),
            "recordings": len(rows),
            "fewest": min(c["recordings"] for c in counts.values()),
            "seed": seed,
            "ua": round(found.ua, 4),
            "interval": interval(heard, labels),
            "recalls": [round(r, 4) for r in found.recalls],
            "missed": found.missed,
        }


def page(found: dict[str, Any]) -> str:
    """Markdown of the results."""
    labels, points = found["labels"], found["points"]
    sizes = sorted({p["speakers"] for p in points})
    groups = [[p for p in points if p["speakers"] == size] for size in sizes]

    def mean(group: Sequence[dict[str, Any]], key: str) -> float:
        return statistics.fmean(p[key] for p in group)

    rows = [
        [
            f"{size}",
            ", ".join(str(p["recordings"]) for p in group),
            ", ".join(str(p["fewest"]) for p in group),
            f"{mean(group, 'ua'):.3f}",
            ", ".join(f"{p['interval'][0]:.2f} to {p['interval'][1]:.2f}" for p in group),
            ", ".join(str(p["missed"]) for p in group),
        ]
        for size, group in zip(sizes, groups, strict=True)
    ]
    head = ["speakers", "recordings", "of the rarest emotion", "UA", "95 % interval", "not found"]
    recalls = [
        [f"{size}", *(f"{v:.2f}" for v in np.mean([p["recalls"] for p in group], axis=0))]
        for size, group in zip(sizes, groups, strict=True)
    ]
    heard = (
        "The training speakers are also in the training data of the parent's front end: with other "
        "recordings expect lower figures."
        if found["heard"]
        else "Nothing of this corpus is in the parent's training data."
    )
    seeds = (
        "Each size was trained once, with one seed and one choice of speakers; others were not "
        "measured."
        if found["seeds"] == 1
        else f"Each size is the mean of {found['seeds']} seeds, each with other speakers."
    )
    settings = found["recipe"]
    introduction = (
        f"The parent model is {found['parent']}. The recordings of {found['corpus']} stand in for "
        f"your own. They have {len(labels)} emotions: {', '.join(labels)}. The parent knows "
        f"{len(found['known'])} of them. {heard} `python -m train finetune` trained all that "
        f"follows the front end and the gate ({settings['epochs']} epochs, {settings['rooms']} "
        "rooms, otherwise its default recipe)."
    )
    judged = (
        f"UA is the mean recall of {len(labels)} emotions (chance: {1 / len(labels):.2f}) on "
        f"{found['judged']} recordings of {len(found['judges'])} other speakers. They are in no "
        "stage of training, neither of the parent nor of the new models. Each recording is the "
        "first utterance of a stream of the SDK. The 95 % interval is from a bootstrap over these "
        "speakers. "
        f"{seeds}"
    )
    return PAGE.format(
        introduction=textwrap.fill(introduction, 120, break_on_hyphens=False),
        judged=textwrap.fill(judged, 120, break_on_hyphens=False),
        corpus=found["corpus"],
        alt=", ".join(
            f"{size} speaker{'s' * (size > 1)}: UA {mean(group, 'ua'):.2f}"
            for size, group in zip(sizes, groups, strict=True)
        ),
        table=table(head, rows),
        recalls=table(["speakers", *labels], recalls),
        caution=(
            f"There are only {len(found['judges'])} test speakers, all actors: only the trend "
            "counts."
        ),
        commit=found["provenance"]["commit"],
        torch=found["provenance"]["torch"],
    )


def write(found: dict[str, Any], out: Path) -> Path:
    """``own-data.json`` and ``own-data.md`` in a folder; returns the page."""
    path = out / "own-data.md"
    text = json.dumps(found, indent=1) + "\n"
    for place, content in ((out / "own-data.json", text), (path, page(found))):
        with atomic_write(place) as partial:
            partial.write_text(content, encoding="utf-8")
    return path
