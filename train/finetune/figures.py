"""Scores of the tested verdicts, and whether there are enough of them to be meaningful."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from train.data.manifest import Recording
from train.judge.hearing import Figures, Heard
from train.judge.study import confusion

LATE = 5
"""Utterances of a session after which a voice counts as known."""
FEW_SPEAKERS, FEW_RECORDINGS = 5, 20
"""With fewer speakers, or recordings of an emotion, scores are uncertain."""
TOO_FEW_SPEAKERS, TOO_FEW_RECORDINGS = 3, 10
"""With fewer, they are meaningless."""
WIDE = 0.3
"""So is a UA whose confidence interval is wider."""
DRAWS = 1000


def figures(
    labels: Sequence[str], alone: Sequence[Heard], sessions: Sequence[Heard]
) -> dict[str, Any]:
    """UA, recalls, calibration, counts and confusions, of first utterances and in sessions."""
    found: dict[str, Any] = {
        "first": _rounded(Figures.of(alone, labels), labels),
        "interval": interval(alone, labels),
        "confusion": confusion(alone, labels),
    }
    if sessions:
        found["sessions"] = _rounded(Figures.of(sessions, labels), labels)
    late = [h for h in sessions if h.before >= LATE]
    if {h.recording.emotion for h in late} == set(labels):
        found["late"] = _rounded(Figures.of(late, labels), labels)
    return found


def interval(heard: Sequence[Heard], labels: Sequence[str]) -> list[float]:
    """95 % interval of UA, by bootstrap over speakers, or over recordings if they are unknown."""
    groups: dict[str, list[Heard]] = defaultdict(list)
    for number, one in enumerate(heard):
        groups[one.recording.speaker or f"recording {number}"].append(one)
    if len(groups) == 1:
        groups = {str(number): [one] for number, one in enumerate(heard)}
    counts = np.zeros((len(groups), len(labels), 2))
    for row, own in enumerate(groups.values()):
        for one in own:
            truth = labels.index(one.recording.emotion)
            right = one.found and int(np.argmax(one.probabilities)) == truth
            counts[row, truth] += (1, right)
    rng = np.random.default_rng(0)
    drawn = counts[rng.integers(len(counts), size=(DRAWS, len(counts)))].sum(1)
    recalls = np.where(drawn[..., 0] > 0, drawn[..., 1] / np.maximum(drawn[..., 0], 1), np.nan)
    low, high = np.quantile(np.nanmean(recalls, axis=1), (0.025, 0.975))
    return [round(float(low), 3), round(float(high), 3)]


def counted(recordings: Sequence[Recording], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Recordings of each emotion, and the number of its speakers (0 if unknown)."""
    number = Counter(r.emotion for r in recordings)
    return {
        label: {
            "recordings": number[label],
            "speakers": len({r.speaker for r in recordings if r.emotion == label and r.speaker}),
        }
        for label in labels
    }


def cautions(report: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Whether the scores are meaningful ("yes", "little" or "nothing"), and why not."""
    said, worst = [], 0
    counts, speakers = report["counts"], report["speakers"]
    chance = 1 / len(report["labels"])
    if not report["by_speaker"]:
        worst = 2
        said.append(
            "All recordings are of one voice, on which the tested models were trained: the figures "
            "say nothing of a stranger."
            if speakers == 1
            else "It is not known who speaks: the tested models may have been trained on the same "
            "voices, so the figures say nothing of a stranger."
        )
    elif speakers < FEW_SPEAKERS:
        worst = max(worst, 2 if speakers < TOO_FEW_SPEAKERS else 1)
        said.append(f"Only {speakers} people speak: results of others may differ widely.")
    few = {label: c["recordings"] for label, c in counts.items()}
    least = [f"{label} ({n})" for label, n in few.items() if n < FEW_RECORDINGS]
    if least:
        worst = max(worst, 2 if min(few.values()) < TOO_FEW_RECORDINGS else 1)
        said.append(f"Fewer than {FEW_RECORDINGS} recordings: {', '.join(least)}.")
    single = [label for label, c in counts.items() if c["speakers"] == 1]
    if single and report["by_speaker"]:
        worst = 2
        said.append(
            f"One speaker alone has {', '.join(single)}: the model that was tested on it had no "
            "training data for it."
        )
    low, high = report["figures"]["interval"]
    if low <= chance:
        worst = 2
        said.append(
            f"The interval of UA, {low:.2f} to {high:.2f}, reaches chance ({chance:.2f}): it is "
            "not shown that the model distinguishes these emotions at all."
        )
    elif high - low > WIDE:
        worst = max(worst, 2)
        said.append(f"The interval of UA is wide, {low:.2f} to {high:.2f}.")
    return ("yes", "little", "nothing")[worst], said


def _rounded(found: Figures, labels: Sequence[str]) -> dict[str, Any]:
    table = {k: round(v, 4) for k, v in asdict(found).items() if not isinstance(v, tuple)}
    recalls = {k: round(r, 4) for k, r in zip(labels, found.recalls, strict=True)}
    return {**table, "recalls": recalls}
