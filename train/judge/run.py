"""Runs the studies on a bundle and saves the results as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgeser
from train.data.examples import noise_for_testing
from train.data.manifest import Recording
from train.default import UNHEARD, Corpora
from train.files import atomic_write
from train.judge import study
from train.judge.hearing import Figures
from train.provenance import provenance

NOT_MEN = {"emodb": {"08", "09", "13", "14", "16"}}
"""Women in EmoDB, by the numbers in its documentation."""


def women(recordings: Sequence[Recording]) -> set[str]:
    """Speakers who are women: RAVDESS's even numbers and EmoDB's known ones; others are unknown."""
    found = set()
    for recording in recordings:
        number = recording.speaker.rsplit("-", 1)[-1]
        even = recording.corpus == "ravdess" and int(number) % 2 == 0
        if even or number in NOT_MEN.get(recording.corpus, set()):
            found.add(recording.speaker)
    return found


def judge(
    model: edgeser.Model, data: Path, work: Path, speakers: Sequence[str], every: int = 1
) -> dict[str, Any]:
    """All studies of a bundle, on RAVDESS and on these speakers of its own corpora.

    ``every``: use only every n-th recording.
    """
    corpora = Corpora.read(data, work / "features")
    labels = model.labels
    found: dict[str, Any] = {}
    for name, corpus in {UNHEARD: corpora.unheard, **corpora.labelled}.items():
        wanted = [
            (r, corpus.audio[i])
            for i, r in enumerate(corpus.recordings)
            if r.emotion in labels and (name == UNHEARD or r.speaker in speakers)
        ][::every]
        if wanted:
            found[name] = _corpus(model, wanted)
    noises = [corpora.noise.audio[e.index] for e in noise_for_testing(corpora.noise)]
    return {
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
        "labels": list(labels),
        "corpora": found,
        "noise": study.false_alarms(model, noises),
        "provenance": provenance(0),
    }


def _corpus(
    model: edgeser.Model, corpus: Sequence[tuple[Recording, NDArray[np.float32]]]
) -> dict[str, Any]:
    labels = model.labels
    heard, everything = study.by_heard(model, corpus)
    late = [h for h in everything if h.before >= study.HEARD_BEFORE[-1]]
    known = women([r for r, _ in corpus])
    made = {
        "recordings": len(corpus),
        "speakers": len({r.speaker for r, _ in corpus}),
        "conditions": study.as_json(study.by_condition(model, corpus)),
        "formats": study.as_json(study.by_format(model, corpus)),
        "heard": study.as_json(heard),
        "one_mood": study.as_json(study.one_mood(model, corpus)),
        "steadiness": {k: round(v, 4) for k, v in study.steadiness(model, corpus).items()},
        "confusion": study.confusion(everything, labels),
    }
    if known:
        made["by_sex"] = study.as_json(study.by_sex(late or everything, labels, known))
    if late:
        made["ten_heard"] = {
            k: round(v, 4) if not isinstance(v, tuple) else [round(x, 4) for x in v]
            for k, v in asdict(Figures.of(late, labels)).items()
        }
    return made


def keep(judged: dict[str, Any], path: Path) -> None:
    """Write the figures."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(judged, indent=1) + "\n", encoding="utf-8")
