"""The default model's report: Markdown with PNGs, every figure from the checkpoint or a result."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.checkpoint import Checkpoint
from train.report.measures import CONDITIONS

TEMPLATE = """\
# How good the {name} model is

{name} {version}: speaker-independent figures are means over {folds} folds by speaker, each from a
model of the same recipe that had heard none of the fold's speakers. Temperature
({temperature:.2f}) and the threshold of confidence ({confidence:.2f}) were chosen on the speakers
of one more fold, on which nothing is reported. RAVDESS was never trained with and nothing was
chosen on it. All speech is acted; CREMA-D is a reconstruction from log-mel spectrograms.

## Against openSMILE

{baseline}

{against}

UA, WA and F1 are means over folds; the baseline's hyperparameters were tuned on training speakers.

## In rooms and on lines

UA on every fifth recording of the tests above. Noises and impulse responses are those that training
never mixes in; the room is a plate reverberation without direct sound added, which is harsher than
most rooms.

{robustness}

## How early

A verdict after so many seconds of speech, and at the end.

![UA after 0.5, 1, 2 s and at the end](early.png)

{early}

## What a confidence is worth

![reliability](reliability.png)

Expected calibration error (ten bins): {calibration}.

![coverage and accuracy](abstention.png)

Below a confidence of {confidence:.2f} a frame or verdict has no label. That threshold is the lowest
at which {right:.0%} of the labelled verdicts on the development speakers were right. It gives:

{abstention}

## Confusions

Counts over the folds.

{confusions}

## Noise

Of {noise_frames} results on noises that were never trained with, {noise_speech:.1%} were taken for
speech.

## Other sizes

What smaller and larger models bring, by multiply-adds and parameters: [the curve](curve.md).

## Provenance

Commit {commit}, seed {seed}, torch {torch}. Recipe: `{recipe}`.
"""


def write_report(checkpoint: Checkpoint, baseline: Path, out: Path) -> Path:
    """Write ``report.md`` and its PNGs into ``out``; ``baseline`` is what ``baseline`` wrote."""
    from train.report import figures

    training = checkpoint.facts["training"]
    threshold = checkpoint.thresholds["confidence"]
    out.mkdir(parents=True, exist_ok=True)
    figures.reliability(out / "reliability.png", training["reliability"])
    figures.early(out / "early.png", training["early"])
    figures.abstention(out / "abstention.png", training["abstention"], threshold)
    scores = {**training["speaker_independent"], **training["cross_corpus"]}
    text = TEMPLATE.format(
        name=checkpoint.facts["name"],
        version=checkpoint.facts["version"],
        folds=next(iter(training["speaker_independent"].values()))["folds"],
        temperature=checkpoint.temperature,
        confidence=threshold,
        right=training["chosen"]["right"],
        **_against(training, baseline),
        robustness=robustness_table(training["robustness"]),
        early=table(training["early"], "corpus"),
        calibration=", ".join(f"{n} {s['calibration_error']:.3f}" for n, s in scores.items()),
        abstention=_abstention(training["abstention"], threshold),
        confusions="\n\n".join(
            confusion_table(n, s, checkpoint.model.config.labels) for n, s in scores.items()
        ),
        noise_frames=training["noise"]["frames"],
        noise_speech=training["noise"]["taken_for_speech"],
        recipe=json.dumps(training["recipe"]),
        **{key: training["provenance"][key] for key in ("commit", "seed", "torch")},
    )
    path = out / "report.md"
    path.write_text(text, encoding="utf-8")
    return path


def _against(training: Mapping[str, Any], baseline: Path) -> dict[str, str]:
    if not baseline.is_file():
        return {"baseline": "Not measured here.", "against": ""}
    theirs = json.loads(baseline.read_text(encoding="utf-8"))
    rows = [
        "| test | eGeMAPS + SVM: UA | WA | F1 | this model: UA | WA | F1 | UA, points |",
        "|---" * 8 + "|",
    ]
    pairs = [
        (f"{name}, unheard speakers", theirs["within"][name], ours)
        for name, ours in training["speaker_independent"].items()
    ] + [
        (f"{name}, unheard corpus", theirs["across"][name], ours)
        for name, ours in training["cross_corpus"].items()
    ]
    for what, old, new in pairs:
        cells = [f"{s[key]:.3f}" for s in (old, new) for key in ("ua", "wa", "f1")]
        gain = f"{100 * (new['ua'] - old['ua']):+.1f}"
        rows.append(f"| {' | '.join([what, *cells, gain])} |")
    missed = [what for what, old, new in pairs if new["ua"] <= old["ua"]]
    said = (
        f"Below the baseline: {', '.join(missed)}."
        if missed
        else "Above the baseline on every test."
    )
    return {"baseline": f"{theirs['features']}.\n\n" + "\n".join(rows), "against": said}


def robustness_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """UA by condition and corpus."""
    return table({name: rows[name] for name in CONDITIONS if name in rows}, "condition")


def table(rows: Mapping[str, Mapping[str, float]], first: str) -> str:
    """Rows of figures by name."""
    columns = list(next(iter(rows.values())))
    lines = [f"| {' | '.join([first, *columns])} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {' | '.join([name, *(f'{row[c]:.3f}' for c in columns)])} |")
    return "\n".join(lines)


def _abstention(rows: Mapping[str, list[Mapping[str, float]]], threshold: float) -> str:
    chosen = {
        corpus: min(points, key=lambda p: abs(p["threshold"] - threshold))
        for corpus, points in rows.items()
    }
    shown = {
        corpus: {"labelled": row["coverage"], "of these right": row["accuracy"]}
        for corpus, row in chosen.items()
    }
    return table(shown, "corpus")


def confusion_table(name: str, scores: Mapping[str, Any], labels: tuple[str, ...]) -> str:
    """Counts, truth by answer."""
    lines = [f"| {name}: acted, said | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
    for label, row in zip(labels, scores["confusion"], strict=True):
        lines.append(f"| {label} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)
