"""The trainings of the curve: every size, with the same recipe and the same batches.

They are tested on the speakers of the development fold, never on the test speakers. A finished
training is stored in the work folder and not repeated.
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
    """The default CNN, with its channels and features multiplied by ``scale``."""
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
"""The sizes that differ only in the width of the CNN."""


def shortened(epochs: int) -> Recipe:
    """The default recipe with fewer epochs, and only recordings of the model's own emotions."""
    return Recipe(epochs=epochs, detail_weight=0.0)


@dataclass(frozen=True)
class Curve:
    """What to train: every size with every seed, all with one recipe."""

    corpora: Corpora
    work: Path
    recipe: Recipe
    seeds: Sequence[int] = (0,)
    again: Sequence[str] = ()
    """Sizes to train with one additional seed."""
    sizes: Mapping[str, ModelConfig] = field(default_factory=lambda: SIZES)

    def results(self) -> list[Result]:
        """A result for every size and seed; all sizes of a seed come before the next seed."""
        cases = [(size, seed) for seed in self.seeds for size in self.sizes]
        cases += [(size, max(self.seeds) + 1) for size in self.again]
        return [self.one(*case) for case in tqdm(cases, desc="trainings", unit="run")]

    def one(self, size: str, seed: int) -> Result:
        """Trains and tests one size: its costs, and a confusion matrix per held-out speaker."""
        recipe = replace(self.recipe, seed=seed)
        folder = self.work / "curve"
        path = folder / f"{list(self.sizes).index(size)}-{seed}.json"
        if path.is_file():
            stored: Result = json.loads(path.read_text(encoding="utf-8"))
            if stored["size"] == size and recipe.made(stored):
                return stored
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
    """A confusion matrix per speaker: rows are the acted, columns the predicted emotions."""
    labels = model.config.labels
    return {
        speaker: predict(model, corpus.labelled(labels, {speaker})).scores().confusion.tolist()
        for speaker in sorted(speakers)
    }
