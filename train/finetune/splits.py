"""Cross-validation folds, so that no model is tested on its own training data."""

import random
from collections import defaultdict
from collections.abc import Sequence

from train.data.manifest import Recording


def kept_back(recordings: Sequence[Recording], folds: int, seed: int) -> list[list[int]]:
    """Recordings (by index) of each fold; every recording is in exactly one.

    Speakers are kept together, one per fold if there are no more of them than folds. With a single
    speaker, or if speakers are unknown, the recordings of each emotion are distributed instead.
    """
    speakers = {r.speaker for r in recordings}
    whole = "" not in speakers and len(speakers) > 1
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, recording in enumerate(recordings):
        key = (recording.speaker, "") if whole else (recording.emotion, recording.path.as_posix())
        groups[key].append(i)
    drawn = random.Random(seed)
    order = sorted(groups)
    drawn.shuffle(order)
    if not whole:  # every fold gets its share of every emotion
        order.sort(key=lambda key: key[0])
        least = min(sum(key[0] == emotion for key in order) for emotion, _ in order)
        folds = min(folds, least)
    dealt: list[list[int]] = [[] for _ in range(min(folds, len(order)))]
    for turn, key in enumerate(order):
        dealt[turn % len(dealt)] += groups[key]
    return [sorted(fold) for fold in dealt]
