"""Writes the evaluation as tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TEMPLATE = """\
# Accuracy of the {name} model

{name} {version}, tested through `edgeser.Utterances`, as in an application: first silence or noise,
then speech. The most likely emotion counts, whatever the confidence; a missed utterance
is wrong. RAVDESS was neither trained on nor used for any choice. Of EmoDB and
CREMA-D (a reconstruction from log-mel spectrograms) only held-out speakers are
used. All speech is acted.

UA is the mean recall over the four emotions (chance: 0.25).

## Audio before the speech

UA, and in brackets the number of missed utterances. *Its floor*: noise like the quietest part of
the same recording.

{conditions}

## Earlier utterances of the same speaker

Sessions of one speaker in random order, {orders} orders, 2 s of noise floor between utterances.

{heard}

Expected calibration error:

{calibration}

The risk of adaptation: sessions with only one emotion. UA by the number of earlier
utterances:

{mood}

## Rate and level

One second of its floor before.

{formats}

## Small changes

Share of recordings whose most likely emotion does not change.

{steadiness}

## Women and men

After ten utterances; recall of each emotion.

{sexes}

## Labels

Share of utterances with a label, and the share of these labels that are right.

{labelled}

## Confusions

All utterances of all sessions; rows are the acted emotions.

{confusions}

## Sounds without speech

{noise}

{against}

## Provenance

Bundle {hash}. Commit {commit}, torch {torch}. Made by `python -m train judge`; every figure is in
[judged.json](judged.json).
"""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(judged: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """The results of :func:`train.judge.run.judge` in Markdown."""
    corpora, labels = judged["corpora"], judged["labels"]
    names = list(corpora)

    def across(part: str, value: str) -> str:
        rows = list(dict.fromkeys(r for n in names for r in corpora[n][part]))
        return table(
            ["", *names],
            [[row, *(_cell(corpora[n][part].get(row), value) for n in names)] for row in rows],
        )

    steady = list(next(iter(corpora.values()))["steadiness"])
    sexes = [
        [name, sex, *(f"{r:.2f}" for r in figures["recalls"])]
        for name in names
        for sex, figures in corpora[name].get("by_sex", {}).items()
    ]
    noise = judged["noise"]
    return TEMPLATE.format(
        **judged["model"],
        commit=judged["provenance"]["commit"],
        torch=judged["provenance"]["torch"],
        orders=3,
        conditions=across("conditions", "ua"),
        heard=across("heard", "ua"),
        calibration=across("heard", "calibration_error"),
        mood=across("one_mood", "ua"),
        formats=across("formats", "ua"),
        steadiness=table(
            ["", *names],
            [[s, *(f"{corpora[n]['steadiness'][s]:.1%}" for n in names)] for s in steady],
        ),
        sexes=table(["corpus", "", *labels], sexes) if sexes else "Not known of these speakers.",
        labelled=across("heard", "labelled"),
        confusions="\n\n".join(_confusion(n, corpora[n]["confusion"], labels) for n in names),
        noise=(
            f"{noise['an_hour']:.0f} false alarms per hour, in {60 * noise['hours']:.0f} minutes "
            "of held-out noises."
        ),
        against=_against(corpora, baseline),
    )


def _cell(figures: Mapping[str, Any] | None, value: str) -> str:
    if figures is None:
        return ""
    if value == "labelled":
        return f"{figures['labelled']:.0%}, {figures['right']:.0%} right"
    if value == "ua":
        return f"{figures['ua']:.3f} ({figures['missed']})"
    return f"{figures[value]:.3f}"


def _confusion(name: str, counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    rows = [[label, *map(str, row)] for label, row in zip(labels, counts, strict=True)]
    return table([f"{name}: acted, said", *labels], rows)


def _against(corpora: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """Comparison with openSMILE's features, where they were measured."""
    tests = {**baseline.get("within", {}), **baseline.get("across", {})}
    rows = []
    for name, found in corpora.items():
        if name in tests:
            cold = found["conditions"]["0 s of its floor"]["ua"]
            warm = found.get("ten_heard", {}).get("ua")
            said = f"{warm:.3f}" if warm is not None else ""
            rows.append([name, f"{tests[name]['ua']:.3f}", f"{cold:.3f}", said])
    if not rows:
        return ""
    text = (
        "## Against openSMILE\n\neGeMAPSv02 functionals on trimmed clips with a support vector "
        "machine (RBF), on folds of other speakers, beside this model alone and after ten "
        "utterances.\n\n"
    )
    head = ["", "eGeMAPS + SVM", "this model, first utterance", "after ten"]
    return text + table(head, rows)


def write_report(judged: Path, baseline: Path, out: Path) -> Path:
    """Writes ``report.md`` to the folder ``out``, from the JSON files of both."""
    found = json.loads(judged.read_text(encoding="utf-8"))
    beside = json.loads(baseline.read_text(encoding="utf-8")) if baseline.is_file() else {}
    path = out / "report.md"
    path.write_text(report(found, beside), encoding="utf-8")
    return path
