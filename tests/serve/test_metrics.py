"""Metrics of a fleet: gaps, lag, silence, confidence, and optional labels."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import numpy as np
import pytest

import edgeser

pytest.importorskip("prometheus_client")
pytest.importorskip("websockets")
from edgeser.results import Verdict
from edgeser.serve.client import Client, Told
from edgeser.serve.config import ServeConfig
from edgeser.serve.ear import Ear
from edgeser.serve.encoding import FrameLayout
from edgeser.serve.metrics import HOUR, Hourly, Metrics
from edgeser.serve.protocol import SCHEMA, AudioFormat, version_of
from edgeser.streaming.utterances import Utterance
from tests.serve.clients import get, speech, talk
from tests.serve.conftest import Start

LABELS = ("neutral", "anger")


def lines(metrics: Metrics) -> dict[str, float]:
    told = [line for line in metrics.text().decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in told)}


def utterance(label: str | None, confidence: float) -> Utterance:
    verdict = Verdict(label, confidence, {"neutral": 0.5, "anger": 0.5}, 1.0, 1.0, ())
    return Utterance(0.0, 1.0, verdict, (), "silence")


def test_what_clients_heard_is_counted() -> None:
    metrics = Metrics()
    metrics.told(Told(8, 5, [], 0.03))
    metrics.told(Told(2, 0, [utterance(None, 0.45), utterance("anger", 0.85)], 0.2))
    metrics.told(Told(0, 0, [utterance("neutral", 0.95)], 9.0))  # the last, which has no frame
    seen = lines(metrics)
    assert seen["edgeser_frames_total"] == 10
    assert seen["edgeser_silent_frames_total"] == 5
    assert seen["edgeser_utterances_total"] == 3
    assert seen["edgeser_unsure_total"] == 1
    assert seen["edgeser_confidence_sum"] == pytest.approx(2.25)
    assert seen['edgeser_confidence_bucket{le="0.5"}'] == 1
    assert seen['edgeser_confidence_bucket{le="0.9"}'] == 2
    assert seen["edgeser_latency_seconds_count"] == 2
    assert seen['edgeser_latency_seconds_bucket{le="0.128"}'] == 1
    assert not any("anger" in name for name in seen)  # nobody asked for labels


def test_labels_are_told_at_the_full_hour_alone() -> None:
    now = [5 * HOUR + 3000.0]
    metrics = Metrics(labels=LABELS)
    metrics.labels = Hourly(metrics.labels._figures, lambda: now[0])
    metrics.told(Told(1, 0, [utterance("anger", 0.9), utterance(None, 0.3)], 0.0))
    anger, none = 'edgeser_labels_total{label="anger"}', 'edgeser_labels_total{label="none"}'
    for after, expected in ((0, 0), (599, 0), (1, 1), (3599, 1)):
        now[0] += after
        metrics.labels.publish()
        assert (lines(metrics)[anger], lines(metrics)[none]) == (expected, expected)
    metrics.told(Told(1, 0, [utterance("anger", 0.9)], 0.0))
    now[0] += 1
    metrics.labels.publish()
    assert (lines(metrics)[anger], lines(metrics)[none]) == (2, 1)
    assert lines(metrics)['edgeser_labels_total{label="neutral"}'] == 0


def test_audio_that_stays_away_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    gaps: list[float] = []

    def hear(seconds: float, every: float, length: float = 0.1) -> None:
        """So many seconds of messages, one each so often."""
        message = np.zeros(round(16_000 * length), np.int16).tobytes()
        for _ in range(round(seconds / every)):
            now[0] += every
            ear.take(message)
            ear.client.take(9.0)

    def fresh() -> Ear:
        gaps.clear()
        client = Client(edgeser.load(), AudioFormat(16_000, "int16", 1), ServeConfig())
        return Ear(client, lambda: None, gaps.append)

    ear = fresh()
    hear(20, 0.1)
    assert gaps == []
    now[0] += 3.0  # a cable is out
    hear(20, 0.1)
    assert gaps == [pytest.approx(3.0, abs=0.05)]
    now[0] += 0.4  # the network has a hiccup
    hear(0.4, 0.05)  # and what it held back comes
    hear(10, 0.1)
    assert len(gaps) == 1
    ear = fresh()
    hear(3600, 0.10005)  # a microphone's clock that loses half a thousandth
    assert gaps == []
    ear = fresh()
    hear(30, 1.0, 1.0)  # long messages
    assert gaps == []
    ear = fresh()
    hear(20, 0.025)  # a recording, faster than real time
    now[0] += 30.0  # which the server reads no faster
    hear(20, 0.1)
    assert gaps == []


@pytest.mark.parametrize("options", [[], ["--count-labels"]])
def test_events_and_figures_tell_which_model(start: Start, options: list[str]) -> None:
    model = edgeser.load()
    address, _ = start("--speed", "100", *options)
    samples, rate = speech()
    events = talk(address, samples, f"rate={rate}")
    for event in events:
        jsonschema.validate(event, SCHEMA)
    version = version_of(model)
    assert version == f"{events[0]['model']['version']}+{events[0]['model']['hash'][:8]}"
    assert {event["version"] for event in events[1:]} == {version}
    assert {event["type"] for event in events[1:]} == {"frame", "speech_started", "utterance"}
    text = get(address, "/metrics")[1]
    names = f'model="{model.name}",model_hash="{model.hash[:8]}",model_version="{model.version}"'
    assert f"edgeser_info{{{names}" in text
    assert json.loads(get(address, "/healthz")[1])["version"] == version
    figures: dict[str, Any] = dict(line.rsplit(" ", 1) for line in text.splitlines())
    silent, frames = (figures[f"edgeser_{n}_total"] for n in ("silent_frames", "frames"))
    assert 0 < float(silent) < float(frames)
    said = [event for event in events if event["type"] == "utterance"]
    assert float(figures["edgeser_confidence_count"]) == len(said)
    assert ("edgeser_labels_total" in text) == bool(options)


def test_a_frame_in_binary_has_the_hash() -> None:
    model = edgeser.load()
    layout = FrameLayout(model.labels, version_of(model))
    frame = edgeser.EmotionFrame(0.0, None, 0.5, dict.fromkeys(model.labels, 0.25), 0.0, -20.0)
    packed = layout.pack(frame, 0.0)
    assert int.from_bytes(packed[4:8], "little") == int(model.hash[:8], 16)
    assert layout.unpack(packed)[0]["version"] == version_of(model)
