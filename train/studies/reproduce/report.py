"""The report of a comparison: Markdown with PNGs beside it."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from train.studies.reproduce.figures import confusions, tsne
from train.studies.reproduce.runs import Comparison, Runner
from train.studies.reproduce.tables import Results, claims, student, summary, table_1, table_2

TEMPLATE = """\
# The paper's experiment on {corpus}

Seven sequence models on two representations, four emotions, {count} trainings. Means with 95 %
intervals (Student's t) over {folds} folds and {seeds} seed(s). The paper's own figures, on IEMOCAP
with a random split that shares speakers, stand in columns of their own: they are of other data and
an easier test, and cannot be compared with ours.

{bounds}

{split}

Recipe: {recipe}. VQ-VAE pre-trained on {unlabelled}, fine-tuned on each fold's training part.
{caution}

## What held

{summary}

{claims}

{intervals}

## Table 1: sequence models

{table_1}

## Table 2: ablations

{table_2}

## Figure 4: t-SNE of the representations

Utterances of fold {shown}, which the model had not heard: means of R_d and of R_f over speech.

![t-SNE]({corpus}-tsne.png)

## Figure 5: confusion matrices

![confusion matrices]({corpus}-confusions.png)

## Provenance

{provenance}
"""

CAUTION = (
    "R_d comes from a small CNN on the spectrogram alone, as in the paper. Sizes, epochs and\n"
    "rates are the same for all fourteen and were tuned for none of them."
)


NOTES = {
    "cremad": "CREMA-D here is not the original but a reconstruction from log-mel spectrograms. "
}
"""What is to be known of a corpus beside its figures."""
FULL_FOLDS, FULL_EPOCHS = 5, 15
"""What a comparison has unless it is asked for less."""


def reproduce(comparison: Comparison, out: Path) -> Path:
    """Run what has not been run and write the report; returns the Markdown file."""
    runner = Runner(comparison)
    cases = comparison.cases()
    results = list(tqdm(runner.run(), total=len(cases), desc="trainings", unit="run"))
    return write(comparison, runner, results, out)


def write(comparison: Comparison, runner: Runner, results: Results, out: Path) -> Path:
    """The report of finished results."""
    out.mkdir(parents=True, exist_ok=True)
    labels, stem = comparison.config.labels, _stem(comparison)
    shown = comparison.folds[0]
    tsne(
        out / f"{stem}-tsne.png",
        runner.folder / f"{runner.split_name(shown)}-tacn-fusion-{comparison.seeds[0]}.npz",
        labels,
    )
    confusions(out / f"{stem}-confusions.png", results, labels)
    text = page(comparison, results, [str(runner.splits[fold]) for fold in comparison.folds])
    (out / f"{stem}.json").write_text(json.dumps(list(results), indent=1) + "\n", encoding="utf-8")
    path = out / f"{stem}.md"
    path.write_text(text, encoding="utf-8")
    return path


def page(comparison: Comparison, results: Results, splits: Sequence[str]) -> str:
    """Markdown; ``splits`` are those of the comparison's folds, in words."""
    return TEMPLATE.format(
        corpus=_stem(comparison),
        count=len(results),
        folds=len(comparison.folds),
        seeds=len(comparison.seeds),
        bounds=_bounds(comparison),
        split="\n".join(f"* {split}" for split in splits),
        recipe=_recipe(comparison),
        unlabelled=" and ".join(comparison.unlabelled),
        caution=CAUTION,
        summary=_filled(summary(results)),
        claims=claims(results),
        intervals=_intervals(len(comparison.folds) * len(comparison.seeds)),
        table_1=table_1(results),
        table_2=table_2(results),
        shown=comparison.folds[0],
        provenance=_provenance(results),
    )


def _stem(comparison: Comparison) -> str:
    """What the report's files are called."""
    if comparison.random:
        return f"{comparison.corpus}-random"
    return f"{comparison.corpus}-texts" if comparison.texts > 1 else comparison.corpus


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"


def _bounds(comparison: Comparison) -> str:
    """What the corpus is, and what was left out for the sake of time."""
    folds, epochs = len(comparison.folds), comparison.recipe.epochs
    short = []
    if folds < FULL_FOLDS:
        short.append(f"{folds} of {FULL_FOLDS} folds")
    if epochs < FULL_EPOCHS:
        short.append(f"{_epochs(epochs)} instead of {FULL_EPOCHS}")
    bounds = (
        f"Bounded by the time of a CPU: {', '.join(short)}. Few epochs favour what learns fast; no "
        "figure here is the most that a model can reach."
        if short
        else "Nothing was left out for the sake of time."
    )
    return _filled(NOTES.get(comparison.corpus, "") + bounds)


def _intervals(values: int) -> str:
    """How the intervals are to be read."""
    return _filled(
        f"Of {values} values an interval reaches {student(values):.1f} standard errors to either "
        "side (of many, 2.0): a mean's own is wide, and tells mostly how the folds differ in "
        "difficulty. The differences are paired by fold, which takes that out. Folds and seeds "
        "share training data, so all intervals are, if anything, too narrow; and of this many "
        "comparisons one in twenty would seem certain by chance."
    )


def _filled(paragraph: str) -> str:
    """To the width of the page."""
    return textwrap.fill(paragraph, 100)


def _recipe(comparison: Comparison) -> str:
    r = comparison.recipe
    augmented = "augmented" if r.augment else "no augmentation"
    return (
        f"{r.optimizer}, rate {r.learning_rate:g}, batch {r.batch}, {_epochs(r.epochs)}, "
        f"dropout {r.dropout:g}, label smoothing {r.label_smoothing:g}, {augmented}"
    )


def _provenance(results: Results) -> str:
    commits = sorted({r["provenance"]["commit"] for r in results})
    versions = sorted({r["provenance"]["torch"] for r in results})
    seeds = sorted({str(r["seed"]) for r in results})
    return f"Commit {', '.join(commits)}; seed {', '.join(seeds)}; torch {', '.join(versions)}."
