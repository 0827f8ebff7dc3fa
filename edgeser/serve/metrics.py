"""Figures for Prometheus, of all processes of one server; nothing global."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from edgeser.serve.board import CELLS, CLIENTS, FIRST_FIGURE, WAITING, Board, Place, State
from edgeser.version import __version__


class Figure:
    """One number of this process."""

    def __init__(self, cells: memoryview[float], at: int) -> None:
        self._cells, self._at = cells, at

    def inc(self, amount: float = 1.0) -> None:
        """There are so many more."""
        self._cells[self._at] += amount


class Spread:
    """How often values of this process fell between bounds, and their sum."""

    def __init__(self, cells: memoryview[float], at: int, bounds: Sequence[float]) -> None:
        self._cells, self._at, self._bounds = cells, at, bounds

    def observe(self, value: float) -> None:
        """One more."""
        self._cells[self._at + 1 + bisect_left(self._bounds, value)] += 1
        self._cells[self._at] += value


class Metrics:
    """What ``/metrics`` tells: of this process what is counted here, of all what is told."""

    def __init__(self, place: Place | None = None) -> None:
        place = place or Place(Board(1, 1), 0)
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
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """For prometheus_client: the sums of all processes."""
        for family, name, about, at in self._figures:
            yield family(name, about, value=self._board.sum(at))  # type: ignore[call-arg]
        for name, about, at, bounds in self._spreads:
            count, buckets = 0.0, []
            for place, bound in enumerate((*map(float, bounds), float("inf"))):
                count += self._board.sum(at + 1 + place)
                buckets.append(("+Inf" if bound == float("inf") else str(bound), count))
            yield HistogramMetricFamily(name, about, buckets, self._board.sum(at))
        info = GaugeMetricFamily("edgeser_info", "This server.", labels=["version"])
        info.add_metric([__version__], 1)
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
    """Processes that take part."""
    fellows = map(board.fellow, range(board.rows))
    return sum(fellow.state not in {State.starting, State.closing} for fellow in fellows)
