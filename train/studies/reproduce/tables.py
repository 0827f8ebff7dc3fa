"""Tables of the results: means with 95 % intervals, and tests of the paper's claims."""

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
"""The paper's claims: pairs of cases, of which the first should be better."""
ABLATIONS = (("tcn", False), ("tcn", True), ("tacn", False), ("tacn", True))


def student(count: int) -> float:
    """Half-width of the 95 % interval of a mean of ``count`` values, in standard errors.

    It is nan for a single value.
    """
    return float(stats.t.ppf(0.975, count - 1)) if count > 1 else float("nan")


@dataclass(frozen=True)
class Estimate:
    """A mean and the half-width of its 95 % interval (Student's t), in percentage points."""

    mean: float
    margin: float

    @staticmethod
    def of(values: Sequence[float]) -> "Estimate":
        """From values in [0, 1], one per fold and seed; the margin of a single value is nan."""
        v = 100 * np.asarray(values)
        if len(v) < 2:
            return Estimate(float(v.mean()), float("nan"))
        spread = student(len(v)) * v.std(ddof=1) / np.sqrt(len(v))
        return Estimate(float(v.mean()), float(spread))

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.margin:.1f}"

    @property
    def certain(self) -> bool:
        """Whether the interval excludes zero."""
        return abs(self.mean) > self.margin


def values(results: Results, kind: str, latent: bool, metric: str) -> dict[tuple[int, int], float]:
    """A metric by fold and seed."""
    return {
        (r["fold"], r["seed"]): r[metric]
        for r in results
        if (r["kind"], r["latent"]) == (kind, latent)
    }


def difference(results: Results, one: Case, other: Case, metric: str = "wa") -> Estimate:
    """The metric of ``one`` minus that of ``other``, paired by fold and seed."""
    return overall(results, [(one, other)], metric)


def overall(results: Results, pairs: Sequence[Pair], metric: str = "wa") -> Estimate:
    """The mean of several differences, computed per fold and seed."""
    each: dict[tuple[int, int], list[float]] = {}
    for one, other in pairs:
        a, b = values(results, *one, metric), values(results, *other, metric)
        for key in sorted(a.keys() & b.keys()):
            each.setdefault(key, []).append(a[key] - b[key])
    return Estimate.of([float(np.mean(differences)) for differences in each.values()])


def table_1(results: Results) -> str:
    """The paper's Table 1: seven sequence models with Deep and with Fusion."""
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
    """The paper's Table 2: F1, WA and UA of the four ablations."""
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
    """A table of the paper's claims: the differences here, and whether they are significant."""
    lines = ["| claim | difference | WA, points | UA, points | confirmed? |", "|---" * 5 + "|"]
    for claim, pairs in CLAIMS.items():
        rows = {f"{name(*one)} minus {name(*other)}": [(one, other)] for one, other in pairs}
        for compared, of in {f"**mean of these {len(pairs)}**": list(pairs), **rows}.items():
            wa, ua = (overall(results, of, metric) for metric in ("wa", "ua"))
            lines.append(f"| {claim} | {compared} | {signed(wa)} | {signed(ua)} | {verdict(wa)} |")
    return "\n".join(lines)


def signed(e: Estimate) -> str:
    """The estimate with its sign."""
    return f"{e.mean:+.1f} ± {e.margin:.1f}"


def verdict(e: Estimate) -> str:
    """Whether a difference confirms a claim."""
    if not e.certain:
        return "not shown: the interval includes zero"
    return "yes" if e.mean > 0 else "**no, the opposite**"


def summary(results: Results) -> str:
    """The results in a few sentences."""
    gains = {kind: difference(results, (kind, True), (kind, False)) for kind in SEQUENCES}
    higher = [NAMES[k] for k, e in gains.items() if e.mean > 0]
    certain = [NAMES[k] for k, e in gains.items() if e.mean > 0 and e.certain]
    best = {
        latent: max(
            SEQUENCES, key=lambda k: float(np.mean(list(values(results, k, latent, "wa").values())))
        )
        for latent in (False, True)
    }
    better = [
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
        f"WA, averaged over all sequence models: Fusion minus Deep was {fusion}. TACN minus the "
        f"others, on both representations: {tacn}. Fusion had a higher mean WA than Deep with "
        f"{len(higher)} of 7 sequence models ({', '.join(higher) or 'none'}), significantly (95 %) "
        f"with {len(certain)} ({', '.join(certain) or 'none'}). The highest mean WA was that of "
        f"{name(best[False], False)} on the deep representation and of {name(best[True], True)} on "
        f"the fused one. TACN was significantly better than another model in {len(better)} of 12 "
        "comparisons" + (f" ({', '.join(f'{a} over {b}' for a, b in better)})." if better else ".")
    )
