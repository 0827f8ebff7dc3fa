"""Writes the report of the curve: Markdown, a plot, and all results as JSON."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.default import DEVELOPMENT_FOLD
from train.recipe import Recipe
from train.studies.curve.judged import Judged, costs_of, sizes_of
from train.studies.curve.runs import DEFAULT, WIDTHS, Result

JUDGED = "cremad"
"""Corpus to test on. EmoDB has only two speakers in a fold, too few for an interval."""

TEMPLATE = """\
# Larger and smaller models

UA against multiply-adds per hop (128 ms) and against parameters, both counted from the model.
{introduction}

{judged}

![multiply-adds and parameters against UA](curve.png)

{table}

{intervals}

## The knee

{knee}

All sizes need the same {fixed:.1f} million multiply-adds for the spectra, the VQ-VAE's encoder and
its lookup. The spectra take {spectra:.1f} of them, counted as dense matrix products; the kernels
fold them and need a quarter of that.

## Provenance

Commit {commit}; seed {seed}; torch {torch}. Every result is in [curve.json](curve.json). Recipe:
`{recipe}`.
"""


def write(results: Sequence[Result], out: Path) -> Path:
    """Writes the report of finished trainings; returns the Markdown file."""
    out.mkdir(parents=True, exist_ok=True)
    judged = Judged.of(results, JUDGED)
    plot(out / "curve.png", results, judged)
    (out / "curve.json").write_text(json.dumps(list(results)) + "\n", encoding="utf-8")
    path = out / "curve.md"
    path.write_text(page(results, judged), encoding="utf-8")
    return path


def page(results: Sequence[Result], judged: Judged) -> str:
    """The Markdown; every figure comes from the results."""
    first = results[0]
    parts = first["multiply_adds_by_part"]
    fixed = parts["spectra"] + parts["VQ-VAE encoder"] + parts["VQ lookup"]
    return TEMPLATE.format(
        introduction=filled(
            f"*Default* is the default size at commit {first['provenance']['commit']}; the "
            "bundled model may have another ([its card](../cards/default.md)). "
            f"{len(judged.ua)} sizes around it were trained with a shortened form of the default "
            f"recipe, to save CPU time: {first['recipe']['epochs']} epochs instead of "
            f"{Recipe().epochs}, and only recordings of the four emotions, without the auxiliary "
            "task of distinguishing the others. For each seed, all sizes got the same augmented "
            f"batches, from {first['trained_on']} recordings of {first['speakers']} speakers. All "
            "use the same VQ-VAE."
        ),
        judged=filled(
            f"They were tested on the {judged.speakers} CREMA-D speakers ({judged.recordings} "
            f"recordings, reconstructed from log-mel spectrograms) of fold {DEVELOPMENT_FOLD} (the "
            "first is 0). This is the development fold: sizes may be chosen on it, and the "
            "[report](report.md) does not use it. Compare these figures only with each other: the "
            "bundled model was trained for longer, and its report uses other speakers."
        ),
        table=table(results, judged),
        intervals=filled(
            "In brackets: 95 % intervals, from a bootstrap over speakers (the same for all sizes) "
            "and, where there are several, seeds. "
            + seeds(judged)
            + f" EmoDB has {len(first['confusions']['emodb'])} speakers in the fold, too few for "
            "an interval."
        ),
        knee=filled(knee(results, judged)),
        fixed=fixed / 1e6,
        spectra=parts["spectra"] / 1e6,
        commit=", ".join(sorted({r["provenance"]["commit"] for r in results})),
        seed=", ".join(sorted({str(r["seed"]) for r in results})),
        torch=", ".join(sorted({r["provenance"]["torch"] for r in results})),
        recipe=json.dumps({k: v for k, v in first["recipe"].items() if k != "seed"}),
    )


def seeds(judged: Judged) -> str:
    """The spread between seeds, which the interval of a single training does not contain."""
    several = {size: each for size, each in judged.by_seed.items() if len(each) > 1}
    spread = ", ".join(
        f"{100 * (max(each) - min(each)):.1f} points (*{size}*)" for size, each in several.items()
    )
    text = f"UA differed between seeds by {spread}." if several else ""
    if len(several) < len(judged.by_seed):
        text += " For sizes with one training, the intervals leave out the effect of the seed."
    return text.strip()


def filled(paragraph: str) -> str:
    """Wraps a paragraph to 100 columns."""
    return textwrap.fill(paragraph, 100, break_long_words=False, break_on_hyphens=False)


def table(results: Sequence[Result], judged: Judged) -> str:
    """A row per size, the cheapest first."""
    emodb = Judged.of(results, "emodb")
    lines = [
        (
            "| size | multiply-adds, millions | CNN's share | TACN's share | parameters, thousands "
            "| trainings | UA % | difference from the default, points | EmoDB: UA % |"
        ),
        "|---" * 9 + "|",
    ]
    for size in by_cost(results):
        about = next(r for r in results if r["size"] == size)
        low, high = judged.interval(size)
        difference = "" if size == DEFAULT else str(judged.difference(size, DEFAULT))
        cells = [
            f"**{size}**" if size == DEFAULT else size,
            f"{about['multiply_adds'] / 1e6:.1f}",
            f"{about['multiply_adds_by_part']['CNN'] / 1e6:.1f}",
            f"{about['multiply_adds_by_part']['TACN'] / 1e6:.2f}",
            f"{about['parameters'] / 1e3:,.0f}",
            str(len(judged.by_seed[size])),
            f"{100 * judged.ua[size]:.1f} ({100 * low:.1f} to {100 * high:.1f})",
            difference,
            f"{100 * emodb.ua[size]:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def knee(results: Sequence[Result], judged: Judged) -> str:
    """The knee of the curve, and the sizes that differ significantly from the default."""
    cost = costs_of(results, "multiply_adds")
    best, least = judged.highest(judged.ua), judged.cheapest(cost)
    sentences = [
        (
            f"If only the width of the CNN changes, the mean UA is highest at *{bend(judged)}* "
            f"({100 * judged.ua[bend(judged)]:.1f} %): this is the knee. Of all sizes, *{best}* "
            f"has the highest mean ({100 * judged.ua[best]:.1f} %); *{least}* is the cheapest size "
            "that is not significantly below it, so the knee may also be there."
        )
    ]
    others = [size for size in by_cost(results) if size != DEFAULT]
    gains = {size: judged.difference(size, DEFAULT) for size in others}
    for what, sizes in (
        ("larger", [size for size in others if cost[size] > cost[DEFAULT]]),
        ("smaller", [size for size in others if cost[size] < cost[DEFAULT]]),
    ):
        sentences.append(
            f"Of the {len(sizes)} {what} sizes, significantly better than the default: "
            f"{listed([size for size in sizes if gains[size].low > 0])}; significantly worse: "
            f"{listed([size for size in sizes if gains[size].high < 0])}."
        )
    above = [size for size in others if gains[size].low > 0]
    if above:
        most = max(above, key=lambda size: gains[size].mean)
        once = len(judged.by_seed[most]) == 1
        sentences.append(
            f"*{most}* gained {gains[most].mean:.1f} points for "
            f"{cost[most] / cost[DEFAULT] - 1:+.0%} multiply-adds"
            + (", but was trained only once, which is not enough for a choice." if once else ".")
        )
    elif all(gain.high >= 0 for gain in gains.values()):
        low, high = (min(g.low for g in gains.values()), max(g.high for g in gains.values()))
        sentences.append(
            f"From {min(cost.values()) / 1e6:.1f} to {max(cost.values()) / 1e6:.1f} million "
            "multiply-adds the curve is flat within these intervals, which allow differences of "
            f"{low:+.1f} to {high:+.1f} points. The default size was kept: no larger size is shown "
            "to be better, and no smaller one to be as good."
        )
    else:
        sentences.append("These results give no reason to change the default size.")
    return " ".join(sentences)


def bend(judged: Judged) -> str:
    """The CNN width with the highest mean UA."""
    return judged.highest(size for size in WIDTHS if size in judged.ua)


def listed(sizes: Sequence[str]) -> str:
    """The names, separated by commas, or "none"."""
    return ", ".join(f"*{size}*" for size in sizes) or "none"


def by_cost(results: Sequence[Result]) -> list[str]:
    """Sizes by multiply-adds, then by parameters, the smallest first."""
    cost, count = costs_of(results, "multiply_adds"), costs_of(results, "parameters")
    return sorted(sizes_of(results), key=lambda size: (cost[size], count[size]))


def plot(path: Path, results: Sequence[Result], judged: Judged) -> None:
    """Plots UA against both costs; the bars are intervals of the difference from the default."""
    from matplotlib import pyplot as plt

    from train.studies.report.figures import save

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    chosen = bend(judged)
    for axis, what, unit, label in (
        (axes[0], "multiply_adds", 1e6, "million multiply-adds per hop (128 ms)"),
        (axes[1], "parameters", 1e6, "million parameters"),
    ):
        cost = {size: n / unit for size, n in costs_of(results, what).items()}
        widths = sorted((s for s in WIDTHS if s in cost), key=lambda size: cost[size])
        axis.plot(
            [cost[s] for s in widths],
            [100 * judged.ua[s] for s in widths],
            color="#4a7fb5",
            lw=1,
            label="only the CNN's width changes",
        )
        axis.axhline(100 * judged.ua[DEFAULT], color="#5c6b73", lw=1, ls="--")
        for size, x in cost.items():
            name = f"{size} (knee)" if size == chosen else size
            _point(axis, x, size, judged)
            left = x < cost[DEFAULT] and size not in WIDTHS  # away from its neighbour
            axis.annotate(
                name,
                (x, 100 * judged.ua[size]),
                xytext=(-6 if left else 6, 6),
                textcoords="offset points",
                ha="right" if left else "left",
                fontsize=8,
            )
        axis.margins(x=0.12)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("{x:g}")
        axis.set(xlabel=label)
    axes[0].set_ylabel("UA %, CREMA-D speakers of the development fold")
    axes[0].legend(frameon=False, fontsize=9, loc="best")
    figure.suptitle("bars: 95 % interval of the difference from the default (star)", fontsize=10)
    save(figure, path)


def _point(axis: Any, x: float, size: str, judged: Judged) -> None:
    """Draws a size and its interval."""
    y = 100 * judged.ua[size]
    if size == DEFAULT:
        axis.scatter(x, y, marker="*", s=190, color="#d1495b", zorder=3)
    else:
        d = judged.difference(size, DEFAULT)
        interval = [[max(d.mean - d.low, 0.0)], [max(d.high - d.mean, 0.0)]]
        colour = "#4a7fb5" if size in WIDTHS else "#e0a030"
        axis.errorbar(x, y, interval, fmt="o", color=colour, capsize=3, zorder=2)
