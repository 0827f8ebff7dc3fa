"""Splits of recordings: by speaker, by text, by both, and the paper's own, by neither.

Tested speakers are never in the training data, unless the split says that it shares speakers.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from train.data.manifest import Recording


@dataclass(frozen=True)
class Split:
    """Recordings for training and for testing, and what both have in common."""

    name: str
    train: tuple[Recording, ...]
    test: tuple[Recording, ...]

    @property
    def shared_speakers(self) -> set[str]:
        """Speakers on both sides, without unknown ones."""
        return {r.speaker for r in self.train if r.speaker} & {r.speaker for r in self.test}

    @property
    def shared_texts(self) -> set[str]:
        """Texts on both sides; recordings whose text is not known do not count."""
        return {text_of(r) for r in self.train if r.text} & {text_of(r) for r in self.test}

    def __str__(self) -> str:
        everyone = {r.speaker for r in self.test}
        everything = {text_of(r) if r.text else "" for r in self.test}
        return (
            f"{self.name}: {len(self.train)} to train, {len(self.test)} to test; "
            f"{_shares('speakers', self.shared_speakers, everyone)}; "
            f"{_shares('texts', self.shared_texts, everything)}"
        )


def _shares(what: str, shared: set[str], tested: set[str]) -> str:
    if shared:
        return f"SHARES {what} ({len(shared)} of {len(tested)} tested are trained on)"
    return f"not known whether it shares {what}" if "" in tested else f"shares no {what}"


def text_of(recording: Recording) -> str:
    """What was said, as ``corpus/text``: equal ids in two corpora are different texts."""
    return f"{recording.corpus}/{recording.text}"


def speaker_folds(recordings: Sequence[Recording], folds: int, seed: int = 0) -> list[set[str]]:
    """The speakers of each fold; every corpus is distributed evenly over the folds.

    Raises ValueError if a corpus has fewer speakers than folds.
    """
    return _dealt(recordings, lambda r: r.speaker, "speakers", folds, seed)


def development_speakers(recordings: Sequence[Recording]) -> set[str]:
    """The speakers for whom the shipped model's gate was chosen: part of fold 1 of five.

    ``recordings``: all labelled ones.
    """
    fold = sorted(speaker_folds(recordings, 5)[1])
    few = [s for s in fold if s.startswith("emodb")]
    return {*few, *[s for s in fold if not s.startswith("emodb")][::2]}


def text_folds(recordings: Sequence[Recording], folds: int, seed: int = 0) -> list[set[str]]:
    """The texts (see :func:`text_of`) of each fold, distributed like speakers.

    Raises ValueError if a corpus has fewer texts than folds, or for recordings with unknown texts,
    which could not be kept apart.
    """
    for recording in recordings:
        if not recording.text:
            raise ValueError(
                f"{recording.corpus} does not say what was said in {recording.path.name}: "
                "its texts cannot be kept apart"
            )
    return _dealt(recordings, text_of, "texts", folds, seed)


def grouped_splits(
    recordings: Sequence[Recording], speakers: int = 5, texts: int = 1, seed: int = 0
) -> list[Split]:
    """Cross-validation with ``speakers`` folds of speakers and ``texts`` folds of texts.

    A 1 means no grouping by it; with both above 1, there is a split for every pair of folds. Every
    recording is tested exactly once. Recordings of a tested speaker or a tested text are not in the
    training data, so with both, some recordings are on neither side of a split.

    Raises ValueError if both are 1, and as :func:`speaker_folds` and :func:`text_folds` do.
    """
    if min(speakers, texts) < 1 or max(speakers, texts) < 2:
        raise ValueError(f"{speakers} folds of speakers and {texts} of texts leave nothing to test")
    voices = speaker_folds(recordings, speakers, seed) if speakers > 1 else []
    lines = text_folds(recordings, texts, seed) if texts > 1 else []
    splits = []
    for i, j in product(range(speakers), range(texts)):
        name, reasons = [], []
        if voices:
            name.append(f"speakers {i + 1}/{speakers}")
            reasons.append([r.speaker in voices[i] for r in recordings])
        if lines:
            name.append(f"texts {j + 1}/{texts}")
            reasons.append([text_of(r) in lines[j] for r in recordings])
        held = list(zip(*reasons, strict=True))
        train = tuple(r for r, why in zip(recordings, held, strict=True) if not any(why))
        test = tuple(r for r, why in zip(recordings, held, strict=True) if all(why))
        splits.append(Split(", ".join(name), train, test))
    return splits


def random_split(recordings: Sequence[Recording], test: float = 0.2, seed: int = 0) -> Split:
    """The paper's split (section 3.1): random, with the same proportions of emotions on both sides.

    It shares speakers and texts, and says so: its results are comparable with the paper's, and say
    little about new speakers.

    Raises ValueError if ``test`` is not between 0 and 1.
    """
    if not 0 < test < 1:
        raise ValueError(f"the share to test on is {test}: it lies between 0 and 1")
    strata: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in sorted(range(len(recordings)), key=lambda i: recordings[i].path):
        strata[recordings[i].corpus, recordings[i].emotion].append(i)
    held: set[int] = set()
    for (corpus, emotion), members in sorted(strata.items()):
        random.Random(f"{seed}-{corpus}-{emotion}").shuffle(members)
        held.update(members[: round(test * len(members))])
    return Split(
        f"random {100 * (1 - test):.0f}/{100 * test:.0f}, stratified by emotion, as in the paper",
        tuple(r for i, r in enumerate(recordings) if i not in held),
        tuple(r for i, r in enumerate(recordings) if i in held),
    )


def of_speakers(recordings: Sequence[Recording], speakers: set[str]) -> list[Recording]:
    """The recordings of these speakers, in their order."""
    return [r for r in recordings if r.speaker in speakers]


def _dealt(
    recordings: Sequence[Recording],
    key: Callable[[Recording], str],
    what: str,
    folds: int,
    seed: int,
) -> list[set[str]]:
    """Distributes the keys of every corpus over the folds, independent of the recordings' order."""
    by_corpus: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        by_corpus[recording.corpus].add(key(recording))
    result: list[set[str]] = [set() for _ in range(folds)]
    for corpus, keys in sorted(by_corpus.items()):
        if len(keys) < folds:
            raise ValueError(f"{corpus} has {len(keys)} {what}, too few for {folds} folds")
        order = sorted(keys)
        random.Random(f"{seed}-{corpus}").shuffle(order)
        for i, one in enumerate(order):
            result[i % folds].add(one)
    return result
