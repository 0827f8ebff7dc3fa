"""UA of each size with confidence intervals, from confusion matrices by seed and speaker."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.studies.curve.runs import Result

DRAWS = 4000
"""Bootstrap samples."""
QUANTILES = (0.025, 0.975)
"""Of a 95 % interval."""


@dataclass(frozen=True)
class Difference:
    """A mean difference and its 95 % interval, in percentage points of UA."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


@dataclass(frozen=True)
class Judged:
    """UA of each size, with a bootstrap over seeds and speakers (Efron).

    The bootstrap draws whole speakers, because recordings of one speaker are alike, and the same
    speakers for all sizes, so that differences are paired.
    """

    ua: Mapping[str, float]
    """Mean over the seeds."""
    drawn: Mapping[str, NDArray[np.float64]]
    """UA in each bootstrap sample, (DRAWS,)."""
    by_seed: Mapping[str, Sequence[float]]
    speakers: int
    recordings: int

    @staticmethod
    def of(results: Sequence[Result], corpus: str) -> "Judged":
        """From results that were all tested on the same speakers."""
        counts = {size: _counts(results, size, corpus) for size in sizes_of(results)}
        first = next(iter(counts.values()))
        speakers = first.shape[1]
        rng = np.random.default_rng(0)
        which_speakers = rng.integers(speakers, size=(DRAWS, speakers))
        times = np.stack([np.bincount(row, minlength=speakers) for row in which_speakers])
        drawn, by_seed = {}, {}
        for size, count in counts.items():
            each = _ua(np.einsum("ds,ksij->dkij", times, count))
            which_seeds = rng.integers(len(count), size=(DRAWS, len(count)))
            drawn[size] = np.take_along_axis(each, which_seeds, axis=1).mean(1)
            by_seed[size] = [float(ua) for ua in _ua(count.sum(1))]
        ua = {size: float(np.mean(each)) for size, each in by_seed.items()}
        return Judged(ua, drawn, by_seed, speakers, int(first[0].sum()))

    def interval(self, size: str) -> tuple[float, float]:
        """The 95 % interval of a size's UA."""
        low, high = np.quantile(self.drawn[size], QUANTILES)
        return float(low), float(high)

    def difference(self, size: str, other: str) -> Difference:
        """The UA of ``size`` minus that of ``other``."""
        low, high = np.quantile(self.drawn[size] - self.drawn[other], QUANTILES)
        return Difference(
            100 * (self.ua[size] - self.ua[other]), 100 * float(low), 100 * float(high)
        )

    def highest(self, sizes: Iterable[str]) -> str:
        """The one of these sizes with the highest mean UA."""
        return max(sizes, key=lambda size: self.ua[size])

    def cheapest(self, costs: Mapping[str, int]) -> str:
        """The cheapest size that is not significantly worse than the one with the highest mean."""
        best = self.highest(self.ua)
        as_good = [size for size in self.ua if self.difference(size, best).high >= 0]
        return min(as_good, key=lambda size: costs[size])


def sizes_of(results: Sequence[Result]) -> list[str]:
    """The sizes, each once, in the order of the results."""
    return list(dict.fromkeys(r["size"] for r in results))


def costs_of(results: Sequence[Result], what: str) -> dict[str, int]:
    """The ``what`` of every size: ``multiply_adds`` or ``parameters``."""
    return {r["size"]: r[what] for r in results}


def _counts(results: Sequence[Result], size: str, corpus: str) -> NDArray[np.int64]:
    """Confusion matrices of a size, (seeds, speakers, L acted, L predicted)."""
    matching = sorted((r for r in results if r["size"] == size), key=lambda r: r["seed"])
    return np.array([list(r["confusions"][corpus].values()) for r in matching])


def _ua(confusions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean recall (...) of confusion matrices (..., L, L)."""
    right = np.diagonal(confusions, axis1=-2, axis2=-1)
    mean: NDArray[np.float64] = (right / np.maximum(confusions.sum(-1), 1)).mean(-1)
    return mean
