"""Converts events to messages: typed ones, and JSON for users without ``edgeser_msgs``."""

from __future__ import annotations

import json
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from edgeser_msgs.msg import EmotionFrame, SpeechStarted, Utterance
from std_msgs.msg import Header, String

import edgeser
from edgeser_ros.ears import Stamped
from edgeser_ros.health import Health, Level

_ENDED = {
    "silence": Utterance.ENDED_BY_SILENCE,
    "longest": Utterance.ENDED_BY_LENGTH,
    "flush": Utterance.ENDED_BY_FLUSH,
}
_LEVELS: dict[Level, Any] = {
    "ok": DiagnosticStatus.OK,
    "warn": DiagnosticStatus.WARN,
    "error": DiagnosticStatus.ERROR,
    "stale": DiagnosticStatus.STALE,
}


def time(nanoseconds: int) -> Time:
    """A moment."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return Time(sec=seconds, nanosec=rest)


def typed(heard: Stamped, frame_id: str) -> EmotionFrame | SpeechStarted | Utterance:
    """The message of ``edgeser_msgs`` for an event or a frame."""
    header = Header(stamp=time(heard.begin), frame_id=frame_id)
    event = heard.event
    if isinstance(event, edgeser.SpeechStarted):
        return SpeechStarted(header=header)
    judged = event.verdict if isinstance(event, edgeser.Utterance) else event
    common: dict[str, Any] = {
        "header": header,
        "label": judged.label or "",
        "confidence": float(judged.confidence),
        "labels": list(judged.probabilities),
        "probabilities": [float(p) for p in judged.probabilities.values()],
    }
    if isinstance(event, edgeser.Utterance):
        return Utterance(
            **common,
            end=time(heard.end),
            speech_seconds=float(event.verdict.speech_seconds),
            ended=_ENDED[event.ended],
        )
    return EmotionFrame(**common, speech=float(event.speech), level=float(event.level))


def as_json(heard: Stamped, utterance: edgeser.Utterance, frame_id: str) -> String:
    """An utterance, ``heard.event``, as a JSON object in a string; stamps in nanoseconds."""
    told = {
        "frame_id": frame_id,
        "begin": heard.begin,
        "end": heard.end,
        "label": utterance.label,
        "confidence": utterance.verdict.confidence,
        "probabilities": utterance.verdict.probabilities,
        "speech_seconds": utterance.verdict.speech_seconds,
        "ended": utterance.ended,
    }
    return String(data=json.dumps(told, allow_nan=False))


def diagnosis(health: Health, name: str, now: int) -> DiagnosticArray:
    """The message for ``/diagnostics``."""
    level, message = health.diagnose()
    status = DiagnosticStatus(
        level=_LEVELS[level],
        name=name,
        message=message,
        hardware_id=health.hardware,
        values=[KeyValue(key=key, value=value) for key, value in health.values().items()],
    )
    return DiagnosticArray(header=Header(stamp=time(now)), status=[status])
