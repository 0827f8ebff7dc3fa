"""Figures for Prometheus, of one server; nothing global."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from edgeser.version import __version__


class Metrics:
    """What ``/metrics`` tells."""

    def __init__(self) -> None:
        r = self.registry = CollectorRegistry()
        self.connections = Gauge("edgeser_connections", "Clients connected.", registry=r)
        self.waiting = Gauge("edgeser_waiting", "Connections that are no clients.", registry=r)
        self.refused = Counter("edgeser_refused", "Connections refused.", registry=r)
        self.audio_seconds = Counter("edgeser_audio_seconds", "Audio heard.", registry=r)
        self.frames = Counter("edgeser_frames", "Frames sent.", registry=r)
        self.utterances = Counter("edgeser_utterances", "Utterances judged.", registry=r)
        self.failures = Counter("edgeser_failures", "Steps that failed.", registry=r)
        self.step_seconds = Histogram(
            "edgeser_step_seconds",
            "Time of one batch.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
            registry=r,
        )
        self.batch = Histogram(
            "edgeser_batch_streams",
            "Streams in one batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=r,
        )
        about = Gauge("edgeser_info", "This server.", ["version"], registry=r)
        about.labels(__version__).set(1)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)
