"""Writes the report of a comparison: Markdown, figures (PNG) and results (JSON)."""

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
intervals (Student's t) over {folds} folds and {seeds} seed(s). Separate columns have the paper's
figures. They come from other data (IEMOCAP) and an easier test (a random split that shares
speakers), and cannot be compared with ours.

{bounds}

{split}

Recipe: {recipe}. VQ-VAE pre-trained on {unlabelled}, fine-tuned on each fold's training part.
{caution}

## Results

{summary}

{claims}

{intervals}

## Table 1: sequence models

{table_1}

## Table 2: ablations

{table_2}

## Figure 4: t-SNE of the representations

Utterances of fold {shown}, which was held out: R_d and R_f, averaged over the speech.

![t-SNE]({corpus}-tsne.png)

## Figure 5: confusion matrices

![confusion matrices]({corpus}-confusions.png)

## Provenance

{provenance}
"""

CAUTION = (
    "R_d comes from a small CNN on only the spectrogram, as in the paper. Sizes, epochs and rates\n"
    "are the same for all fourteen models, and were not tuned for any of them."
)


NOTES = {
    "cremad": "CREMA-D here is not the original but a reconstruction from log-mel spectrograms. "
}
"""Remarks on corpora."""
FULL_FOLDS, FULL_EPOCHS = 5, 15
"""Folds and epochs of a full comparison."""


def reproduce(comparison: Comparison, out: Path) -> Path:
    """Runs the trainings that are not finished, and writes the report; returns its Markdown."""
    runner = Runner(comparison)
    cases = comparison.cases()
    results = list(tqdm(runner.run(), total=len(cases), desc="trainings", unit="run"))
    return write(comparison, runner, results, out)


def write(comparison: Comparison, runner: Runner, results: Results, out: Path) -> Path:
    """Writes the report of finished trainings; returns its Markdown file."""
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
    """The Markdown; ``splits`` describe the folds."""
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
    """The start of the report's file names."""
    if comparison.random:
        return f"{comparison.corpus}-random"
    return f"{comparison.corpus}-texts" if comparison.texts > 1 else comparison.corpus


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"


def _bounds(comparison: Comparison) -> str:
    """A remark on the corpus, and the limits that keep the time short."""
    folds, epochs = len(comparison.folds), comparison.recipe.epochs
    short = []
    if folds < FULL_FOLDS:
        short.append(f"{folds} of {FULL_FOLDS} folds")
    if epochs < FULL_EPOCHS:
        short.append(f"{_epochs(epochs)} instead of {FULL_EPOCHS}")
    bounds = (
        f"Reduced to save CPU time: {', '.join(short)}. Few epochs favour models that learn fast; "
        "no model was trained to its limit."
        if short
        else "All folds and epochs were run."
    )
    return _filled(NOTES.get(comparison.corpus, "") + bounds)


def _intervals(values: int) -> str:
    """Explains the intervals."""
    return _filled(
        f"With {values} values, an interval is {student(values):.1f} standard errors to either "
        "side of the mean (with many values: 2.0). The intervals of single means are wide, mostly "
        "because folds differ in difficulty. Differences are paired by fold, which removes that. "
        "Folds and seeds share training data, so all intervals tend to be too narrow; and with "
        "this many comparisons, one in twenty seems significant by chance."
    )


def _filled(paragraph: str) -> str:
    """Wraps a paragraph to 100 columns."""
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
