"""Prometheus metrics, summed over all processes of a server. Nothing is global."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from edgeser.serve.board import CELLS, CLIENTS, FIRST_FIGURE, WAITING, Board, Place, State
from edgeser.version import __version__

if TYPE_CHECKING:
    from edgeser.model import Model
    from edgeser.serve.client import Told

HOUR = 3600.0
NO_LABEL = "none"


class Figure:
    """A counter or gauge of this process."""

    def __init__(self, cells: memoryview[float], at: int) -> None:
        self._cells, self._at = cells, at

    def inc(self, amount: float = 1.0) -> None:
        """Increases it."""
        self._cells[self._at] += amount


class Spread:
    """A histogram of this process."""

    def __init__(self, cells: memoryview[float], at: int, bounds: Sequence[float]) -> None:
        self._cells, self._at, self._bounds = cells, at, bounds

    def observe(self, value: float) -> None:
        """Counts one value."""
        self._cells[self._at + 1 + bisect_left(self._bounds, value)] += 1
        self._cells[self._at] += value


class Hourly:
    """Counts that are published at full hours only, so that they do not reveal who just spoke.

    The last, incomplete hour of a process is never published.
    """

    def __init__(
        self, figures: Mapping[str, Figure], clock: Callable[[], float] = time.time
    ) -> None:
        self._figures, self._clock = figures, clock
        self._counts: Counter[str] = Counter()
        self._hour = self._now

    def count(self, name: str) -> None:
        """Counts one, if this name is counted at all."""
        if self._figures:
            self._counts[name] += 1

    def publish(self) -> None:
        """Publishes the counts if a new hour began."""
        if self._now == self._hour:
            return
        self._hour = self._now
        for name, count in self._counts.items():
            self._figures[name].inc(count)
        self._counts.clear()

    @property
    def _now(self) -> int:
        return int(self._clock() // HOUR)


def model_info(model: Model) -> dict[str, str]:
    """Describes the model, as labels of ``edgeser_info``."""
    return {"model": model.name, "model_version": model.version, "model_hash": model.hash[:8]}


class Metrics:
    """The content of ``/metrics``: this process counts here, and publishes the sums of all.

    Args:
        place: this process's row on the board; None if there is only one process.
        info: labels of ``edgeser_info``, besides the version.
        labels: the emotions to count, if any.
    """

    def __init__(
        self,
        place: Place | None = None,
        info: Mapping[str, str] | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        place = place or Place(Board(1, 1), 0)
        self._info = {"version": __version__, **(info or {})}
        self._board = place.board
        self._next = FIRST_FIGURE
        self._spreads: list[tuple[str, str, int, Sequence[float]]] = []
        self._cells = place.cells
        self._figures: list[tuple[type[Metric], str, str, int]] = [
            (GaugeMetricFamily, "edgeser_connections", "Clients connected.", CLIENTS),
            (GaugeMetricFamily, "edgeser_waiting", "Connections that are no clients.", WAITING),
        ]
        self.refused = self._figure(CounterMetricFamily, "refused", "Connections refused.")
        self.audio_seconds = self._figure(CounterMetricFamily, "audio_seconds", "Audio heard.")
        self.frames = self._figure(CounterMetricFamily, "frames", "Frames that came out.")
        self.utterances = self._figure(CounterMetricFamily, "utterances", "Utterances judged.")
        self.failures = self._figure(CounterMetricFamily, "failures", "Steps that failed.")
        self.restarts = self._figure(CounterMetricFamily, "restarts", "Workers begun again.")
        self.step_seconds = self._spread(
            "step_seconds",
            "Time of one batch.",
            (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
        )
        self.batch = self._spread(
            "batch_streams", "Streams in one batch.", (1, 2, 4, 8, 16, 32, 64, 128)
        )
        figure = self._figure
        self._silent = figure(CounterMetricFamily, "silent_frames", "Frames that are not speech.")
        self._unsure = figure(CounterMetricFamily, "unsure", "Utterances without a label.")
        self._gaps = figure(CounterMetricFamily, "audio_gaps", "Times that audio stayed away.")
        self._gap_seconds = figure(CounterMetricFamily, "audio_gap_seconds", "For so long.")
        self._latency = self._spread(
            "latency_seconds",
            "From the arrival of a frame's last audio until it was sent.",
            (0.005, 0.01, 0.02, 0.05, 0.1, 0.128, 0.25, 0.5, 1.0),
        )
        self._confidence = self._spread(
            "confidence", "Of utterances' verdicts.", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
        )
        counted = (*labels, NO_LABEL) if labels else ()
        self._label_cells = {name: self._cells_for(1) for name in counted}
        self.labels = Hourly({n: Figure(self._cells, at) for n, at in self._label_cells.items()})
        """Utterances by label."""
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def told(self, told: Told) -> None:
        """Counts the results of a step for one client."""
        if told.frames:
            self.frames.inc(told.frames)
            self._silent.inc(told.silent)
            self._latency.observe(told.latency)
        for utterance in told.utterances:
            self.utterances.inc()
            self._confidence.observe(utterance.verdict.confidence)
            if utterance.label is None:
                self._unsure.inc()
            self.labels.count(utterance.label or NO_LABEL)

    def gap(self, seconds: float) -> None:
        """Counts a gap in a client's audio."""
        self._gaps.inc()
        self._gap_seconds.inc(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """For prometheus_client: the sums over all processes."""
        for family, name, about, at in self._figures:
            yield family(name, about, value=self._board.sum(at))  # type: ignore[call-arg]
        for name, about, at, bounds in self._spreads:
            count, buckets = 0.0, []
            for place, bound in enumerate((*map(float, bounds), float("inf"))):
                count += self._board.sum(at + 1 + place)
                buckets.append(("+Inf" if bound == float("inf") else str(bound), count))
            yield HistogramMetricFamily(name, about, buckets, self._board.sum(at))
        if self._label_cells:
            labels = CounterMetricFamily(
                "edgeser_labels", "Utterances by label, told once an hour.", labels=["label"]
            )
            for label, at in self._label_cells.items():
                labels.add_metric([label], self._board.sum(at))
            yield labels
        info = GaugeMetricFamily("edgeser_info", "This server.", labels=[*self._info])
        info.add_metric([*self._info.values()], 1)
        yield info
        yield GaugeMetricFamily("edgeser_workers", "Processes that serve.", serving(self._board))

    def _figure(self, family: type[Metric], name: str, about: str) -> Figure:
        self._figures.append((family, f"edgeser_{name}", about, self._next))
        return Figure(self._cells, self._cells_for(1))

    def _spread(self, name: str, about: str, bounds: Sequence[float]) -> Spread:
        self._spreads.append((f"edgeser_{name}", about, self._next, bounds))
        return Spread(self._cells, self._cells_for(len(bounds) + 2), bounds)

    def _cells_for(self, count: int) -> int:
        at, self._next = self._next, self._next + count
        if self._next > CELLS:
            raise ValueError("a row of the board is too short: raise CELLS")
        return at


def serving(board: Board) -> int:
    """Number of processes that serve."""
    fellows = map(board.fellow, range(board.rows))
    return sum(fellow.state not in {State.starting, State.closing} for fellow in fellows)
