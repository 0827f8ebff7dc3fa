"""The trainings of the curve: every size, by one recipe, on the very same batches.

They are judged on the speakers of the development fold, on which nothing else is reported. A
finished one is kept in the work folder and not done again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from train.data.examples import Corpus
from train.default import DEVELOPMENT_FOLD, Corpora, Run
from train.evaluate import predict
from train.fit import CachedMaterial, fit
from train.models.cnn import CNNConfig
from train.models.cost import multiply_adds_a_hop, parameters
from train.models.emotion import EmotionModel, ModelConfig
from train.models.tacn import TACNConfig
from train.provenance import provenance
from train.recipe import Recipe

DEFAULT = "default"
Result = Mapping[str, Any]


def front(scale: float) -> CNNConfig:
    """The default CNN with so many times its channels and features."""
    d = CNNConfig()
    a, b, c = (round(scale * n) for n in d.channels)
    return CNNConfig((a, b, c), round(scale * d.narrow), round(scale * d.features))


SIZES = {
    DEFAULT: ModelConfig(),
    "quarter CNN": ModelConfig(cnn=front(1 / 4)),
    "half CNN": ModelConfig(cnn=front(1 / 2)),
    "double CNN": ModelConfig(cnn=front(2)),
    "4 layers": ModelConfig(tacn=TACNConfig(layers=4)),
    "C = 128": ModelConfig(tacn=TACNConfig(width=128)),
}
WIDTHS = ("quarter CNN", "half CNN", DEFAULT, "double CNN")
"""The sizes that differ in the CNN's width alone."""


def shortened(epochs: int) -> Recipe:
    """The default model's recipe for fewer epochs, on recordings of its own emotions alone."""
    return Recipe(epochs=epochs, detail_weight=0.0)


@dataclass(frozen=True)
class Curve:
    """What is trained: sizes, once with each seed, all by one recipe."""

    corpora: Corpora
    work: Path
    recipe: Recipe
    seeds: Sequence[int] = (0,)
    again: Sequence[str] = ()
    """Sizes that are trained with one more seed than the others."""
    sizes: Mapping[str, ModelConfig] = field(default_factory=lambda: SIZES)

    def results(self) -> list[Result]:
        """Of every size and seed; all of a seed's are done before the next seed's."""
        cases = [(size, seed) for seed in self.seeds for size in self.sizes]
        cases += [(size, max(self.seeds) + 1) for size in self.again]
        return [self.one(*case) for case in tqdm(cases, desc="trainings", unit="run")]

    def one(self, size: str, seed: int) -> Result:
        """One training and its test: costs, and confusions by held-out speaker."""
        recipe = replace(self.recipe, seed=seed)
        folder = self.work / "curve"
        path = folder / f"{list(self.sizes).index(size)}-{seed}.json"
        if path.is_file():
            kept: Result = json.loads(path.read_text(encoding="utf-8"))
            if kept["size"] == size and recipe.made(kept):
                return kept
        config = self.sizes[size]
        run = Run(self.corpora, recipe, config, self.work)
        held = run.held(DEVELOPMENT_FOLD)
        everyone = {r.speaker for r in self.corpora.recordings()}
        known = self.corpora.material(everyone - held, recipe, config.labels)
        labelled = [e for e in known.labelled if e.target]
        material = CachedMaterial(
            labelled, known.unlabelled, known.sounds, folder=folder / f"batches-{seed}"
        )
        model = fit(material, recipe, config, run.pretrained())
        parts = multiply_adds_a_hop(model)
        result = {
            "size": size,
            "seed": seed,
            "multiply_adds": sum(parts.values()),
            "multiply_adds_by_part": parts,
            "parameters": parameters(model),
            "confusions": {
                name: confusions(model, corpus, held & corpus.speakers())
                for name, corpus in self.corpora.labelled.items()
            },
            "trained_on": len({(id(e.cache), e.index) for e in labelled}),
            "speakers": len(everyone - held),
            "recipe": recipe.to_dict(),
            "provenance": provenance(seed),
        }
        path.write_text(json.dumps(result), encoding="utf-8")
        return result


def confusions(
    model: EmotionModel, corpus: Corpus, speakers: set[str]
) -> dict[str, list[list[int]]]:
    """Of every speaker's recordings: rows what was acted, columns what was said."""
    labels = model.config.labels
    return {
        speaker: predict(model, corpus.labelled(labels, {speaker})).scores().confusion.tolist()
        for speaker in sorted(speakers)
    }
