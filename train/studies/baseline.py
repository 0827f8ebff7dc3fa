"""The usual baseline: openSMILE's eGeMAPS functionals and a support vector machine.

Eyben et al. 2016, extended Geneva minimalistic acoustic parameter set, version 02: 88 functionals
of a whole utterance. openSMILE's licence does not allow it as a dependency: install ``opensmile``
and ``scikit-learn`` by hand to run this.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from train.data.audio import read_audio
from train.data.manifest import CorpusError, Recording, read_manifest
from train.data.splits import speaker_folds
from train.default import FOLDS, LABELLED, REPORTED, UNHEARD
from train.metrics import Scores
from train.models.emotion import LABELS
from train.models.segment import SAMPLE_RATE
from train.provenance import provenance

GRID = {"svc__C": [0.3, 1, 3, 10, 30], "svc__gamma": [0.0003, 0.001, 0.003, 0.01, 0.03]}
"""Values to search, by cross-validation over the training speakers."""

Features = NDArray[np.float32]
Classifier = Callable[[Features], NDArray[np.int64]]


def functionals(recordings: Sequence[Recording], cache: Path) -> Features:
    """The eGeMAPS functionals of recordings, (N, 88)."""
    try:
        import opensmile
    except ImportError:
        raise CorpusError(
            "openSMILE is not installed. Its licence does not allow it as a dependency: read that "
            "licence, then run 'pip install opensmile scikit-learn'"
        ) from None
    if cache.is_file():
        known = np.load(cache)
        if known["names"].tolist() == [r.path.name for r in recordings]:
            features: Features = known["features"]
            return features
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    rows = [
        smile.process_signal(read_audio(r.path), SAMPLE_RATE).to_numpy()[0]
        for r in tqdm(recordings, desc="eGeMAPS", unit="file")
    ]
    cache.parent.mkdir(parents=True, exist_ok=True)
    features = np.array(rows, np.float32)
    np.savez(cache, features=features, names=np.array([r.path.name for r in recordings]))
    return features


def fitted(features: Features, truth: NDArray[np.int64], speakers: Sequence[str]) -> Classifier:
    """A support vector machine, with C and gamma tuned by cross-validation over these speakers."""
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    search = GridSearchCV(
        make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
        GRID,
        scoring="balanced_accuracy",
        cv=GroupKFold(4),
    )
    search.fit(features, truth, groups=speakers)
    predict: Classifier = search.predict
    return predict


def baseline(data: Path, work: Path) -> dict[str, Any]:
    """UA, WA and F1 on the default model's test folds, and across corpora."""
    manifest = read_manifest(data / "manifest.csv")
    corpora = (*LABELLED, UNHEARD)
    recordings = [r for r in manifest if r.corpus in corpora and r.emotion in LABELS]
    features = functionals(recordings, work / "egemaps.npz")
    truth = np.array([LABELS.index(r.emotion) for r in recordings])
    corpus = np.array([r.corpus for r in recordings])
    speaker = np.array([r.speaker for r in recordings])
    labelled = [r for r in manifest if r.corpus in LABELLED]
    folds = {name: speaker_folds(labelled, FOLDS) for name in LABELLED}
    folds[UNHEARD] = speaker_folds([r for r in manifest if r.corpus == UNHEARD], FOLDS)

    def score(train: NDArray[np.bool_], test: NDArray[np.bool_]) -> dict[str, float]:
        classify = fitted(features[train], truth[train], speaker[train].tolist())
        scores = Scores.of(truth[test], classify(features[test]), len(LABELS))
        return {"ua": scores.ua, "wa": scores.wa, "f1": scores.f1}

    within = {}
    for name in corpora:
        in_corpus, results = corpus == name, []
        for index in tqdm(REPORTED, desc=name, unit="fold"):
            held = np.isin(speaker, sorted(folds[name][index]))
            results.append(score(in_corpus & ~held, in_corpus & held))
        within[name] = {
            **{key: float(np.mean([r[key] for r in results])) for key in results[0]},
            "ua_by_fold": [r["ua"] for r in results],
        }
    return {
        "features": "openSMILE eGeMAPSv02 functionals, support vector machine (RBF)",
        "within": within,
        "across": {UNHEARD: score(np.isin(corpus, LABELLED), corpus == UNHEARD)},
        "folds": list(REPORTED),
        "provenance": provenance(0),
    }


def write_baseline(data: Path, work: Path, out: Path) -> dict[str, Any]:
    """Measures, and writes the result to a JSON file."""
    result = baseline(data, work)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result
