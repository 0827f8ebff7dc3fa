"""From a corpus to the examples that a loop takes."""

from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor

from train.data.batches import Example
from train.data.features import FeatureCache
from train.data.manifest import CorpusError, Recording

HELD_OUT_NOISE = 5
"""Every fifth noise is never trained with: it is kept for tests."""


class Corpus:
    """Recordings of one corpus with their cached spectrograms."""

    def __init__(self, recordings: Sequence[Recording], cache: Path) -> None:
        self.recordings = list(recordings)
        self.features = FeatureCache(cache, self.recordings)

    @staticmethod
    def of(manifest: Sequence[Recording], name: str, cache: Path) -> "Corpus":
        """The corpus ``name`` of a manifest."""
        recordings = [r for r in manifest if r.corpus == name]
        if not recordings:
            known = ", ".join(sorted({r.corpus for r in manifest}))
            raise CorpusError(f"the manifest has no corpus {name!r}; it has {known}")
        return Corpus(recordings, cache)

    def speakers(self) -> set[str]:
        """Everybody who speaks in the corpus."""
        return {r.speaker for r in self.recordings}

    def labelled(
        self, labels: Sequence[str], speakers: Collection[str] | None = None, perceived: float = 0.0
    ) -> list[Example]:
        """Examples of the given emotions and speakers (all if None).

        ``perceived`` is the weight of what listeners heard against what was meant.
        """
        examples = []
        for i, recording in enumerate(self.recordings):
            if recording.emotion not in labels:
                continue
            if speakers is not None and recording.speaker not in speakers:
                continue
            target = [float(label == recording.emotion) for label in labels]
            if recording.perceived in labels:
                heard = [float(label == recording.perceived) for label in labels]
                target = [
                    (1 - perceived) * meant + perceived * other
                    for meant, other in zip(target, heard, strict=True)
                ]
            examples.append(Example(self.features, i, tuple(target)))
        return examples

    def unlabelled(self, speech: bool = True) -> list[Example]:
        """All recordings as speech, or as sounds that are none, without emotion."""
        return [Example(self.features, i, (), speech) for i in range(len(self.recordings))]


def noise_for_training(noise: Corpus) -> tuple[list[Example], list[Tensor]]:
    """The noises to train with: as examples of no speech, and as spectrograms to mix in."""
    examples = [e for e in noise.unlabelled(speech=False) if e.index % HELD_OUT_NOISE]
    return examples, [torch.from_numpy(e.cache[e.index].copy()) for e in examples]


def noise_for_testing(noise: Corpus) -> list[Example]:
    """The noises that are never trained with."""
    return [e for e in noise.unlabelled(speech=False) if e.index % HELD_OUT_NOISE == 0]
