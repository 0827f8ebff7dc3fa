"""The page of the curve: Markdown, a plot, and every result as JSON."""

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
"""Whose held-out speakers the curve is of: a fold has two of EmoDB's, too few for an interval."""

TEMPLATE = """\
# What a larger or smaller model would bring

Multiply-adds of one result, every 128 ms, and parameters, both counted from the model, against UA.
{introduction}

{judged}

![multiply-adds and parameters against UA](curve.png)

{table}

{intervals}

## The knee

{knee}

What no size of this family can do without is {fixed:.1f} million multiply-adds: the spectra
({spectra:.1f}, counted as the dense products they are written as; the kernels, which fold them,
need a quarter), the VQ-VAE's encoder and its lookup, the same for all.

## Provenance

Commit {commit}; seed {seed}; torch {torch}. Every result is in [curve.json](curve.json). Recipe:
`{recipe}`.
"""


def write(results: Sequence[Result], out: Path) -> Path:
    """The report of finished trainings; returns the Markdown file."""
    out.mkdir(parents=True, exist_ok=True)
    judged = Judged.of(results, JUDGED)
    plot(out / "curve.png", results, judged)
    (out / "curve.json").write_text(json.dumps(list(results)) + "\n", encoding="utf-8")
    path = out / "curve.md"
    path.write_text(page(results, judged), encoding="utf-8")
    return path


def page(results: Sequence[Result], judged: Judged) -> str:
    """Markdown, every figure from the results."""
    first = results[0]
    parts = first["multiply_adds_by_part"]
    fixed = parts["spectra"] + parts["VQ-VAE encoder"] + parts["VQ lookup"]
    return TEMPLATE.format(
        introduction=filled(
            f"{len(judged.ua)} sizes around the default were trained by a shortened form of its "
            f"recipe: {first['recipe']['epochs']} epochs instead of {Recipe().epochs}, and only "
            "recordings of the four emotions, without the auxiliary task of telling the others "
            "apart; time on a CPU allowed no more. With one seed, all heard the very same "
            f"augmented batches of {first['trained_on']} recordings of {first['speakers']} "
            "speakers; one VQ-VAE serves all."
        ),
        judged=filled(
            f"They are judged on the {judged.speakers} CREMA-D speakers ({judged.recordings} "
            f"recordings, reconstructed from log-mel spectrograms) of fold {DEVELOPMENT_FOLD} (the "
            "first is 0): the development fold, on which sizes may be chosen and no figure of the "
            "[report](report.md) stands. They are to be compared with each other only: the bundled "
            "model was trained for longer, and is judged on other speakers."
        ),
        table=table(results, judged),
        intervals=filled(
            "In brackets 95 % intervals, from drawing the speakers again (bootstrap), the same for "
            "all sizes, and the seeds where there are several. "
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
    """How far trainings of one size lie apart, which an interval of one training cannot know."""
    several = {size: each for size, each in judged.by_seed.items() if len(each) > 1}
    apart = ", ".join(
        f"{100 * (max(each) - min(each)):.1f} points (*{size}*)" for size, each in several.items()
    )
    said = f"Trainings of one size lay apart by {apart}." if several else ""
    if len(several) < len(judged.by_seed):
        said += " Where a size was trained once, what another seed would change is not in them."
    return said.strip()


def filled(paragraph: str) -> str:
    """To the width of the page."""
    return textwrap.fill(paragraph, 100, break_long_words=False, break_on_hyphens=False)


def table(results: Sequence[Result], judged: Judged) -> str:
    """A row for each size, the cheapest first."""
    beside = Judged.of(results, "emodb")
    lines = [
        (
            "| size | multiply-adds, millions | of these CNN | TACN | parameters, thousands "
            "| trainings | UA % | points above the default | EmoDB: UA % |"
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
            f"{100 * beside.ua[size]:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def knee(results: Sequence[Result], judged: Judged) -> str:
    """Where the curve bends, and what its intervals allow to say of the default."""
    cost = costs_of(results, "multiply_adds")
    best, least = judged.highest(judged.ua), judged.cheapest(cost)
    said = [
        (
            f"Along the CNN's width the mean UA is highest at *{bend(judged)}* "
            f"({100 * judged.ua[bend(judged)]:.1f} %): there the curve bends, by its means. By its "
            f"intervals the knee may lie as low as *{least}*, the cheapest size that none puts "
            f"below the highest mean of all, that of *{best}* ({100 * judged.ua[best]:.1f} %)."
        )
    ]
    others = [size for size in by_cost(results) if size != DEFAULT]
    gains = {size: judged.difference(size, DEFAULT) for size in others}
    for what, sizes in (
        ("larger", [size for size in others if cost[size] > cost[DEFAULT]]),
        ("smaller", [size for size in others if cost[size] < cost[DEFAULT]]),
    ):
        said.append(
            f"Of the {len(sizes)} {what} sizes, with an interval above the default: "
            f"{listed([size for size in sizes if gains[size].low > 0])}; below it: "
            f"{listed([size for size in sizes if gains[size].high < 0])}."
        )
    above = [size for size in others if gains[size].low > 0]
    if above:
        most = max(above, key=lambda size: gains[size].mean)
        once = len(judged.by_seed[most]) == 1
        said.append(
            f"*{most}* brought {gains[most].mean:.1f} points for "
            f"{cost[most] / cost[DEFAULT] - 1:+.0%} of multiply-adds"
            + (", in a single training, which is not enough to choose by." if once else ".")
        )
    elif all(gain.high >= 0 for gain in gains.values()):
        low, high = (min(g.low for g in gains.values()), max(g.high for g in gains.values()))
        said.append(
            f"From {min(cost.values()) / 1e6:.1f} to {max(cost.values()) / 1e6:.1f} million "
            "multiply-adds the curve is flat as far as these intervals can tell, which allow for "
            f"{low:+.1f} to {high:+.1f} points. So the default stays as it is: no larger size has "
            "shown that it brings anything, and no smaller one that it loses nothing."
        )
    else:
        said.append("Nothing here speaks for another size than the default's.")
    return " ".join(said)


def bend(judged: Judged) -> str:
    """From where on a wider CNN brings nothing more, by the means."""
    return judged.highest(size for size in WIDTHS if size in judged.ua)


def listed(sizes: Sequence[str]) -> str:
    """Names in a row; "none" if there are none."""
    return ", ".join(f"*{size}*" for size in sizes) or "none"


def by_cost(results: Sequence[Result]) -> list[str]:
    """Sizes, the cheapest first; those of one cost by parameters."""
    cost, held = costs_of(results, "multiply_adds"), costs_of(results, "parameters")
    return sorted(sizes_of(results), key=lambda size: (cost[size], held[size]))


def plot(path: Path, results: Sequence[Result], judged: Judged) -> None:
    """UA against either cost; bars are of the difference from the default."""
    from matplotlib import pyplot as plt

    from train.studies.report.figures import save

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    chosen = bend(judged)
    for axis, what, unit, words in (
        (axes[0], "multiply_adds", 1e6, "million multiply-adds a result (128 ms)"),
        (axes[1], "parameters", 1e6, "million parameters"),
    ):
        cost = {size: n / unit for size, n in costs_of(results, what).items()}
        widths = sorted((s for s in WIDTHS if s in cost), key=lambda size: cost[size])
        axis.plot(
            [cost[s] for s in widths],
            [100 * judged.ua[s] for s in widths],
            color="#4a7fb5",
            lw=1,
            label="CNN's width alone",
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
        axis.set(xlabel=words)
    axes[0].set_ylabel("UA %, CREMA-D speakers of the development fold")
    axes[0].legend(frameon=False, fontsize=9, loc="best")
    figure.suptitle("bars: 95 % interval of the difference from the default (star)", fontsize=10)
    save(figure, path)


def _point(axis: Any, x: float, size: str, judged: Judged) -> None:
    """One size with its bar."""
    y = 100 * judged.ua[size]
    if size == DEFAULT:
        axis.scatter(x, y, marker="*", s=190, color="#d1495b", zorder=3)
    else:
        d = judged.difference(size, DEFAULT)
        bar = [[max(d.mean - d.low, 0.0)], [max(d.high - d.mean, 0.0)]]
        colour = "#4a7fb5" if size in WIDTHS else "#e0a030"
        axis.errorbar(x, y, bar, fmt="o", color=colour, capsize=3, zorder=2)
