"""Splits by speaker: nobody who is tested has been heard in training."""

import random
from collections import defaultdict
from collections.abc import Sequence

from train.data.manifest import Recording


def speaker_folds(recordings: Sequence[Recording], folds: int, seed: int = 0) -> list[set[str]]:
    """Speakers of each fold; every corpus is dealt out evenly, so that each fold has all of them.

    Raises ValueError if a corpus has fewer speakers than folds.
    """
    by_corpus: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        by_corpus[recording.corpus].add(recording.speaker)
    result: list[set[str]] = [set() for _ in range(folds)]
    for corpus, speakers in sorted(by_corpus.items()):
        if len(speakers) < folds:
            raise ValueError(f"{corpus} has {len(speakers)} speakers, too few for {folds} folds")
        order = sorted(speakers)
        random.Random(f"{seed}-{corpus}").shuffle(order)
        for i, speaker in enumerate(order):
            result[i % folds].add(speaker)
    return result


def of_speakers(recordings: Sequence[Recording], speakers: set[str]) -> list[Recording]:
    """The recordings of these speakers, in their order."""
    return [r for r in recordings if r.speaker in speakers]
