"""Results to tables: means with 95 % intervals, and what can be said of the paper's claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from train.studies.reproduce.paper import NAMES, SEQUENCES, TABLE_1, TABLE_2, name

Results = Sequence[Mapping[str, Any]]
Case = tuple[str, bool]
Pair = tuple[Case, Case]
CLAIMS: Mapping[str, Sequence[Pair]] = {
    "Fusion above Deep": [((kind, True), (kind, False)) for kind in SEQUENCES],
    "TACN above the others": [
        (("tacn", latent), (kind, latent))
        for latent in (False, True)
        for kind in SEQUENCES
        if kind != "tacn"
    ],
}
"""The paper's, as what has to lie above what."""
ABLATIONS = (("tcn", False), ("tcn", True), ("tacn", False), ("tacn", True))


def student(values: int) -> float:
    """Standard errors in half of a 95 % interval of the mean of so many values; nan for one."""
    return float(stats.t.ppf(0.975, values - 1)) if values > 1 else float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean and half the width of its 95 % interval (Student's t), in per cent points."""

    mean: float
    margin: float

    @staticmethod
    def of(values: Sequence[float]) -> "Estimate":
        """Of values in [0, 1], one a fold and seed; a single one has no interval (nan)."""
        v = 100 * np.asarray(values)
        if len(v) < 2:
            return Estimate(float(v.mean()), float("nan"))
        spread = student(len(v)) * v.std(ddof=1) / np.sqrt(len(v))
        return Estimate(float(v.mean()), float(spread))

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.margin:.1f}"

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out zero."""
        return abs(self.mean) > self.margin


def values(results: Results, kind: str, latent: bool, metric: str) -> dict[tuple[int, int], float]:
    """A metric by fold and seed."""
    return {
        (r["fold"], r["seed"]): r[metric]
        for r in results
        if (r["kind"], r["latent"]) == (kind, latent)
    }


def difference(results: Results, one: Case, other: Case, metric: str = "wa") -> Estimate:
    """How much more ``one`` has than ``other``, paired by fold and seed."""
    return overall(results, [(one, other)], metric)


def overall(results: Results, pairs: Sequence[Pair], metric: str = "wa") -> Estimate:
    """The mean of several differences, as each fold and seed has it."""
    each: dict[tuple[int, int], list[float]] = {}
    for one, other in pairs:
        a, b = values(results, *one, metric), values(results, *other, metric)
        for key in sorted(a.keys() & b.keys()):
            each.setdefault(key, []).append(a[key] - b[key])
    return Estimate.of([float(np.mean(differences)) for differences in each.values()])


def table_1(results: Results) -> str:
    """Seven sequence models on Deep and on Fusion."""
    lines = [
        (
            "| sequence model | parameters | Deep, WA % | Fusion, WA % | Deep, UA % | Fusion, UA % "
            "| *paper, IEMOCAP: Deep, WA %* | *Fusion, WA %* |"
        ),
        "|---" * 8 + "|",
    ]
    for kind in SEQUENCES:
        count = next(r["parameters"] for r in results if r["kind"] == kind)
        ours = [
            str(Estimate.of(list(values(results, kind, latent, metric).values())))
            for metric in ("wa", "ua")
            for latent in (False, True)
        ]
        theirs = [f"*{TABLE_1[kind, latent]:.2f}*" for latent in (False, True)]
        lines.append(f"| {' | '.join([NAMES[kind], f'{count:,}', *ours, *theirs])} |")
    return "\n".join(lines)


def table_2(results: Results) -> str:
    """F1, WA and UA of the four ablations."""
    metrics = ("f1", "wa", "ua")
    lines = [
        "| model | F1 % | WA % | UA % | *paper, IEMOCAP: F1 %* | *WA %* | *UA %* |",
        "|---" * 7 + "|",
    ]
    for case in ABLATIONS:
        ours = [str(Estimate.of(list(values(results, *case, m).values()))) for m in metrics]
        theirs = [f"*{TABLE_2[case][m]:.2f}*" for m in metrics]
        lines.append(f"| {' | '.join([name(*case), *ours, *theirs])} |")
    return "\n".join(lines)


def claims(results: Results) -> str:
    """Which of the paper's claims held here, by how much and with what certainty."""
    lines = ["| claim | compared | WA, points | UA, points | held? |", "|---" * 5 + "|"]
    for claim, pairs in CLAIMS.items():
        rows = {f"{name(*one)} less {name(*other)}": [(one, other)] for one, other in pairs}
        for compared, of in {f"**mean of these {len(pairs)}**": list(pairs), **rows}.items():
            wa, ua = (overall(results, of, metric) for metric in ("wa", "ua"))
            lines.append(f"| {claim} | {compared} | {signed(wa)} | {signed(ua)} | {verdict(wa)} |")
    return "\n".join(lines)


def signed(e: Estimate) -> str:
    """With its sign."""
    return f"{e.mean:+.1f} ± {e.margin:.1f}"


def verdict(e: Estimate) -> str:
    """What a difference says about a claim."""
    if not e.certain:
        return "not shown: the interval holds zero"
    return "yes" if e.mean > 0 else "**no, the opposite**"


def summary(results: Results) -> str:
    """The claims in two sentences, made from the numbers."""
    gains = {kind: difference(results, (kind, True), (kind, False)) for kind in SEQUENCES}
    up = [NAMES[k] for k, e in gains.items() if e.mean > 0]
    sure = [NAMES[k] for k, e in gains.items() if e.mean > 0 and e.certain]
    best = {
        latent: max(
            SEQUENCES, key=lambda k: float(np.mean(list(values(results, k, latent, "wa").values())))
        )
        for latent in (False, True)
    }
    ahead = [
        (name("tacn", latent), NAMES[kind])
        for latent in (False, True)
        for kind in SEQUENCES
        if kind != "tacn"
        and (d := difference(results, ("tacn", latent), (kind, latent))).mean > 0
        and d.certain
    ]
    means = {claim: overall(results, pairs) for claim, pairs in CLAIMS.items()}
    fusion, tacn = (f"{signed(e)} points ({verdict(e)})" for e in means.values())
    return (
        f"Over all sequence models together, Fusion less Deep was {fusion}; TACN less the others, "
        f"on both representations, {tacn}. One by one, Fusion had the higher mean WA than Deep "
        f"under {len(up)} of 7 sequence models "
        f"({', '.join(up) or 'none'}), with certainty (95 %) under {len(sure)} "
        f"({', '.join(sure) or 'none'}). The best mean WA was {name(best[False], False)}'s on the "
        f"deep representation and {name(best[True], True)}'s on the fused one; TACN was certainly "
        f"above another model in {len(ahead)} of 12 comparisons"
        + (f" ({', '.join(f'{a} over {b}' for a, b in ahead)})." if ahead else ".")
    )
