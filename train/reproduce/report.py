"""The report of a comparison: Markdown with PNGs beside it."""

import json
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from train.reproduce.figures import confusions, tsne
from train.reproduce.runs import Comparison, Runner
from train.reproduce.tables import Results, claims, summary, table_1, table_2

TEMPLATE = """\
# The paper's experiment on {corpus}

Seven sequence models on two representations, four emotions, {count} trainings. Means with 95 %
intervals (Student's t) over {folds} folds and {seeds} seed(s). The paper's own figures, on IEMOCAP
with a random split that shares speakers, stand in columns of their own: they are of other data and
an easier test, and cannot be compared with ours.

{split}

Recipe: {recipe}. VQ-VAE pre-trained on {unlabelled}, fine-tuned on each fold's training part.
{caution}

## What held

{summary}

{claims}

The intervals are of folds and seeds that share training data, so they are, if anything, too narrow.

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


def reproduce(comparison: Comparison, out: Path) -> Path:
    """Run what has not been run and write the report; returns the Markdown file."""
    runner = Runner(comparison)
    cases = comparison.cases()
    results = list(tqdm(runner.run(), total=len(cases), desc="trainings", unit="run"))
    return write(comparison, runner, results, out)


def write(comparison: Comparison, runner: Runner, results: Results, out: Path) -> Path:
    """The report of finished results."""
    out.mkdir(parents=True, exist_ok=True)
    corpus, labels = comparison.corpus, comparison.config.labels
    stem = f"{corpus}-random" if comparison.random else corpus
    shown = comparison.folds[0]
    split = "random" if comparison.random else "speakers"
    tsne(
        out / f"{stem}-tsne.png",
        runner.folder / f"{split}-{shown}-tacn-fusion-{comparison.seeds[0]}.npz",
        labels,
    )
    confusions(out / f"{stem}-confusions.png", results, labels)
    text = TEMPLATE.format(
        corpus=stem,
        count=len(results),
        folds=len(comparison.folds),
        seeds=len(comparison.seeds),
        split=_splits(runner, comparison.folds),
        recipe=_recipe(comparison),
        unlabelled=" and ".join(comparison.unlabelled),
        caution=CAUTION,
        summary=summary(results),
        claims=claims(results),
        table_1=table_1(results),
        table_2=table_2(results),
        shown=shown,
        provenance=_provenance(results),
    )
    (out / f"{stem}.json").write_text(json.dumps(list(results), indent=1) + "\n", encoding="utf-8")
    path = out / f"{stem}.md"
    path.write_text(text, encoding="utf-8")
    return path


def _splits(runner: Runner, folds: Sequence[int]) -> str:
    return "\n".join(f"* {runner.splits[fold]}" for fold in folds)


def _recipe(comparison: Comparison) -> str:
    r = comparison.recipe
    augmented = "augmented" if r.augment else "no augmentation"
    return (
        f"{r.optimizer}, rate {r.learning_rate:g}, batch {r.batch}, {r.epochs} epochs, "
        f"dropout {r.dropout:g}, label smoothing {r.label_smoothing:g}, {augmented}"
    )


def _provenance(results: Results) -> str:
    commits = sorted({r["provenance"]["commit"] for r in results})
    versions = sorted({r["provenance"]["torch"] for r in results})
    seeds = sorted({str(r["seed"]) for r in results})
    return f"Commit {', '.join(commits)}; seed {', '.join(seeds)}; torch {', '.join(versions)}."
