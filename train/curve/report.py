"""The page of the curve: Markdown, a plot, and every result as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.curve.judged import Judged, costs_of, sizes_of
from train.curve.runs import DEFAULT, WIDTHS, Result
from train.default import DEVELOPMENT_FOLD, FOLDS
from train.recipe import Recipe

JUDGED = "cremad"
"""Whose held-out speakers the curve is of: a fold has two of EmoDB's, too few for an interval."""

TEMPLATE = """\
# What a larger or smaller model would bring

Multiply-adds of one result, every 128 ms, and parameters, both counted from the model, against UA.
{sizes} sizes around the default were trained {times} by a shortened form of its recipe: {epochs}
epochs instead of {full}, and only recordings of the four emotions, without the auxiliary task of
telling the others apart; time on a CPU allowed no more. All heard the very same augmented batches
of {trained_on} recordings of {trained_speakers} speakers, and share one VQ-VAE.

They are judged on the {speakers} CREMA-D speakers ({recordings} recordings, reconstructed from
log-mel spectrograms) of fold {fold} of {folds}: the development fold, on which sizes may be chosen
and no figure of the [report](report.md) stands. They are to be compared with each other only: the
bundled model was trained for longer, and is judged on other speakers.

![multiply-adds and parameters against UA](curve.png)

{table}

In brackets 95 % intervals, from drawing {drawn} again (bootstrap), the same ones for all sizes.
{caution} EmoDB has {others} speakers in the fold, too few for an interval.

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
    seeds = sorted({r["seed"] for r in results})
    parts = first["multiply_adds_by_part"]
    fixed = parts["spectra"] + parts["VQ-VAE encoder"] + parts["VQ lookup"]
    once = len(seeds) == 1
    return TEMPLATE.format(
        sizes=len(judged.ua),
        times="once each" if once else f"{len(seeds)} times each",
        epochs=first["recipe"]["epochs"],
        full=Recipe().epochs,
        trained_on=first["trained_on"],
        trained_speakers=first["speakers"],
        speakers=judged.speakers,
        recordings=judged.recordings,
        fold=DEVELOPMENT_FOLD + 1,
        folds=FOLDS,
        table=table(results, judged),
        drawn="speakers" if once else "speakers and seeds",
        caution=(
            "With one training each, what another seed would change is not in them."
            if once
            else "With so few seeds they are, if anything, too narrow."
        ),
        others=len(first["confusions"]["emodb"]),
        knee=knee(results, judged),
        fixed=fixed / 1e6,
        spectra=parts["spectra"] / 1e6,
        commit=", ".join(sorted({r["provenance"]["commit"] for r in results})),
        seed=", ".join(map(str, seeds)),
        torch=", ".join(sorted({r["provenance"]["torch"] for r in results})),
        recipe=json.dumps({k: v for k, v in first["recipe"].items() if k != "seed"}),
    )


def table(results: Sequence[Result], judged: Judged) -> str:
    """A row for each size, the cheapest first."""
    beside = Judged.of(results, "emodb")
    lines = [
        (
            "| size | multiply-adds, millions | of these CNN | TACN | parameters, thousands "
            "| UA % | points above the default | EmoDB: UA % |"
        ),
        "|---" * 8 + "|",
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
            f"{100 * judged.ua[size]:.1f} ({100 * low:.1f} to {100 * high:.1f})",
            difference,
            f"{100 * beside.ua[size]:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def knee(results: Sequence[Result], judged: Judged) -> str:
    """Where the curve bends, and what its intervals allow to say of the default."""
    cost = costs_of(results, "multiply_adds")
    best = max(judged.ua, key=lambda size: judged.ua[size])
    chosen = judged.knee(cost)
    said = [
        f"The highest mean UA was that of *{best}* ({100 * judged.ua[best]:.1f} %). The cheapest "
        f"size whose interval does not put it below that one is *{chosen}*"
        + (": the knee is the default." if chosen == DEFAULT else ", the knee by that rule.")
    ]
    for what, sizes in (
        ("larger", [s for s in by_cost(results) if cost[s] > cost[DEFAULT]]),
        ("smaller", [s for s in by_cost(results) if cost[s] < cost[DEFAULT]]),
    ):
        differences = {size: judged.difference(size, DEFAULT) for size in sizes}
        said.append(
            f"Of the {len(sizes)} {what} sizes, certainly above the default (95 %): "
            f"{listed([s for s, d in differences.items() if d.low > 0])}; certainly below it: "
            f"{listed([s for s, d in differences.items() if d.high < 0])}."
        )
    above = [s for s in judged.ua if s != DEFAULT and judged.difference(s, DEFAULT).low > 0]
    if not above:
        said.append("Nothing here speaks for another size than the default's.")
    elif all(cost[s] > cost[DEFAULT] for s in above):
        dearest = max(judged.difference(s, DEFAULT).mean for s in above)
        said.append(
            f"More would buy up to {dearest:.1f} points, past the ten million multiply-adds that "
            "the default's front end keeps to."
        )
    else:
        said.append("That speaks for one of these in place of the default.")
    return " ".join(said)


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

    from train.report.figures import save

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    chosen = judged.knee(costs_of(results, "multiply_adds"))
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
            _point(axis, x, size, judged, chosen)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("{x:g}")
        axis.set(xlabel=words)
    axes[0].set_ylabel("UA %, CREMA-D speakers of the development fold")
    axes[0].legend(frameon=False, fontsize=9, loc="best")
    figure.suptitle("bars: 95 % interval of the difference from the default (star)", fontsize=10)
    save(figure, path)


def _point(axis: Any, x: float, size: str, judged: Judged, chosen: str) -> None:
    """One size with its bar and name."""
    y = 100 * judged.ua[size]
    if size == DEFAULT:
        axis.scatter(x, y, marker="*", s=190, color="#d1495b", zorder=3)
    else:
        d = judged.difference(size, DEFAULT)
        bar = [[max(d.mean - d.low, 0.0)], [max(d.high - d.mean, 0.0)]]
        colour = "#4a7fb5" if size in WIDTHS else "#e0a030"
        axis.errorbar(x, y, bar, fmt="o", color=colour, capsize=3, zorder=2)
    name = f"{size} (knee)" if size == chosen else size
    axis.annotate(name, (x, y), xytext=(6, 6), textcoords="offset points", fontsize=8)
