"""The report beside a bundle: Markdown for people, JSON for programs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.files import atomic_write
from train.judge.page import table

TEMPLATE = """\
# {name}

{meaning}

Trained from {parent} with {recordings} recordings. Its emotions: {labels}.

{counts}

## How good it is

{who}, through the SDK's own streams. UA is the mean recall of {number} emotions (chance:
{chance:.2f}); an utterance that was not found counts as wrong.

{figures}

* 95 % interval of the first line's UA: {low:.2f} to {high:.2f} ({drawn}).
{before}
Recall of each emotion:

{recalls}

Confusions of the first line; rows are the true emotions, columns the verdicts:

{confusion}

*Labelled* is the share of utterances with a label, *right* the share of right labels among these;
*calibration error* is the mean gap between confidence and accuracy.

## Thresholds

{rule} So nothing was fitted on the part that was tested. The bundle itself was then trained on all
parts, and its thresholds were chosen on the verdicts of all:

{settings}

These figures do not show the effect of other microphones, noise and real life. Test the model where
it will be used, with people who are not in the recordings.

## Licence

{licence}

{notices}

Every figure is in [{json}]({json}), every setting of the training in [{recipe}]({recipe}).
Commit {commit}, torch {torch}, seed {seed}.
"""

MEANING = {
    "yes": "The tested models were not trained on the speakers of these figures.",
    "little": "**Take these figures with care.**",
    "nothing": "**These figures are too few to mean something.**",
}
RULE = {
    True: (
        "The speakers were divided into {folds} parts. Each part was tested with a model trained "
        "on the others. The gate's threshold was chosen on the others' speech, temperature and "
        "the confidence threshold on the others' verdicts."
    ),
    False: (
        "The recordings were divided into {folds} parts, because they could not be divided by "
        "speaker. Each part was tested with a model trained on the others. The gate's threshold, "
        "temperature and the confidence threshold were chosen on the others."
    ),
}


def page(report: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The report in Markdown; ``files``: names of its JSON file and the recipe."""
    labels, found = report["labels"], report["figures"]
    lines = {
        "the first utterance of a stream": found["first"],
        "in sessions of one speaker": found.get("sessions"),
        "in them, after five utterances": found.get("late"),
    }
    there = {what: f for what, f in lines.items() if f}
    rows = [
        [
            what,
            f"{f['ua']:.3f}",
            f"{f['count']}",
            f"{f['missed']}",
            f"{f['calibration_error']:.3f}",
            f"{f['labelled']:.0%}",
            f"{f['right']:.0%}" if f["labelled"] else "",
        ]
        for what, f in there.items()
    ]
    head = ["", "UA", "utterances", "not found", "calibration error", "labelled", "right"]
    recalls = [
        [what, *(f"{f['recalls'][label]:.2f}" for label in labels)] for what, f in there.items()
    ]
    confusion = [
        [label, *map(str, row)] for label, row in zip(labels, found["confusion"], strict=True)
    ]
    counts = [
        [label, str(c["recordings"]), str(c["speakers"] or "not known")]
        for label, c in report["counts"].items()
    ]
    low, high = found["interval"]
    before = report.get("parent_figures")
    meaning = [MEANING[report["means_something"]], *(f"* {c}" for c in report["cautions"])]
    whole_speakers = report["by_speaker"]
    return TEMPLATE.format(
        name=report["name"],
        meaning="\n".join([meaning[0], "", *meaning[1:]]).rstrip(),
        parent=report["parent"],
        recordings=report["recordings"],
        labels=", ".join(labels),
        counts=table(["emotion", "recordings", "speakers"], counts),
        who=(
            f"Each of {report['speakers']} speakers was tested with a model trained on the others"
            if whole_speakers
            else "Each recording was tested with a model trained on others, maybe of that voice"
        ),
        number=len(labels),
        chance=1 / len(labels),
        figures=table(head, rows),
        low=low,
        high=high,
        drawn="bootstrap over speakers" if whole_speakers else "bootstrap over recordings",
        before=(
            "* Its parent, asked for these emotions alone, has a UA of "
            f"{before['first']['ua']:.3f} on the same utterances.\n"
            if before
            else ""
        ),
        recalls=table(["", *labels], recalls),
        confusion=table(["", *labels], confusion),
        rule=RULE[whole_speakers].format(folds=report["folds"]),
        settings="\n".join(f"* {line}" for line in _settings(report)),
        licence=report["licence"],
        notices="\n".join(f"* {notice}" for notice in report["notices"]),
        json=files["json"],
        recipe=files["recipe"],
        **report["provenance"],
    )


def _settings(report: Mapping[str, Any]) -> list[str]:
    chosen, parent = report["chosen"], report["parent_thresholds"]
    gate = f"speech {chosen['speech']:g}: "
    if chosen["speech"] == parent["speech"]:
        gate += f"the parent's, which misses {report['missed_by_gate']} of these recordings"
    else:
        gate += f"the parent's, {parent['speech']:g}, missed too much of this speech"
    sure = f"confidence {chosen['confidence']:g}: "
    if report["confidence_chosen"]:
        sure += f"the lowest at which {report['right_wanted']:.0%} of the labels are right"
        if chosen["confidence"] >= 0.95:
            sure += ", as nearly as possible"
    else:
        sure += "the parent's, because there are too few verdicts to choose another"
    return [gate, sure, f"temperature {chosen['temperature']:g}"]


def write(report: Mapping[str, Any], bundle: Path) -> Path:
    """Writes both beside the bundle; returns the Markdown."""
    markdown, figures = (bundle.with_suffix(f".report.{end}") for end in ("md", "json"))
    files = {"json": figures.name, "recipe": bundle.with_suffix(".recipe.yaml").name}
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    for path, content in ((figures, text), (markdown, page(report, files))):
        with atomic_write(path) as partial:
            partial.write_text(content, encoding="utf-8")
    return markdown
