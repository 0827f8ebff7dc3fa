"""UA of sizes with intervals, from confusions by seed and speaker."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.studies.curve.runs import Result

DRAWS = 4000
LEVEL = (0.025, 0.975)


@dataclass(frozen=True)
class Difference:
    """A mean and its 95 % interval, in points of UA."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


@dataclass(frozen=True)
class Judged:
    """UA of sizes, and as drawn again from seeds and speakers (Efron's bootstrap).

    Whole speakers are drawn, since recordings of one speaker are alike, and the same for all
    sizes, so that differences are paired.
    """

    ua: Mapping[str, float]
    drawn: Mapping[str, NDArray[np.float64]]
    by_seed: Mapping[str, Sequence[float]]
    speakers: int
    recordings: int

    @staticmethod
    def of(results: Sequence[Result], corpus: str) -> "Judged":
        """Every size must have been judged on the same speakers."""
        counts = {size: _counts(results, size, corpus) for size in sizes_of(results)}
        any_size = next(iter(counts.values()))
        speakers = any_size.shape[1]
        rng = np.random.default_rng(0)
        which_speakers = rng.integers(speakers, size=(DRAWS, speakers))
        often = np.stack([np.bincount(row, minlength=speakers) for row in which_speakers])
        drawn, by_seed = {}, {}
        for size, count in counts.items():
            each = _ua(np.einsum("ds,ksij->dkij", often, count))
            which_seeds = rng.integers(len(count), size=(DRAWS, len(count)))
            drawn[size] = np.take_along_axis(each, which_seeds, axis=1).mean(1)
            by_seed[size] = [float(ua) for ua in _ua(count.sum(1))]
        ua = {size: float(np.mean(each)) for size, each in by_seed.items()}
        return Judged(ua, drawn, by_seed, speakers, int(any_size[0].sum()))

    def interval(self, size: str) -> tuple[float, float]:
        """Of a size's own UA."""
        low, high = np.quantile(self.drawn[size], LEVEL)
        return float(low), float(high)

    def difference(self, size: str, other: str) -> Difference:
        """How much higher the UA of ``size`` is than that of ``other``."""
        low, high = np.quantile(self.drawn[size] - self.drawn[other], LEVEL)
        return Difference(
            100 * (self.ua[size] - self.ua[other]), 100 * float(low), 100 * float(high)
        )

    def highest(self, sizes: Iterable[str]) -> str:
        """The one of these sizes with the highest mean UA."""
        return max(sizes, key=lambda size: self.ua[size])

    def cheapest(self, costs: Mapping[str, int]) -> str:
        """The cheapest size whose interval does not lie below the size of the highest mean."""
        best = self.highest(self.ua)
        level = [size for size in self.ua if self.difference(size, best).high >= 0]
        return min(level, key=lambda size: costs[size])


def sizes_of(results: Sequence[Result]) -> list[str]:
    """In their order."""
    return list(dict.fromkeys(r["size"] for r in results))


def costs_of(results: Sequence[Result], what: str) -> dict[str, int]:
    """Multiply-adds or parameters of every size."""
    return {r["size"]: r[what] for r in results}


def _counts(results: Sequence[Result], size: str, corpus: str) -> NDArray[np.int64]:
    """Confusions: seeds, speakers, acted, said."""
    mine = sorted((r for r in results if r["size"] == size), key=lambda r: r["seed"])
    return np.array([list(r["confusions"][corpus].values()) for r in mine])


def _ua(confusions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean recall (...) of confusions (..., L, L)."""
    right = np.diagonal(confusions, axis1=-2, axis2=-1)
    mean: NDArray[np.float64] = (right / np.maximum(confusions.sum(-1), 1)).mean(-1)
    return mean
