"""The protocol between client and server.

A client opens ``/v1/stream?rate=16000&format=int16&channels=1`` and sends audio as binary messages
of any length: interleaved, little-endian, whole samples; or, with ``format=opus``, one Opus packet
per message. The text message ``{"type": "end"}`` ends the stream: the server judges the last
utterance and closes. Every event is a JSON text message; the schema is :data:`SCHEMA`, served at
``/v1/schema.json``. A client may ask for binary frames (:mod:`edgeser.serve.encoding`), for fewer,
or for none. Audio is never stored or logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.audio.chunk import check_rate, to_mono
from edgeser.errors import AudioError
from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.streaming.utterances import Emotion, SpeechStarted, UtteranceEvent

PCM: dict[str, np.dtype[Any]] = {"int16": np.dtype("<i2"), "float32": np.dtype("<f4")}
Buffer = bytes | bytearray | memoryview
FORMATS = (*PCM, "opus")
MOST_CHANNELS = 32
MOST_DIGITS = 12
"""Of a number in a URL."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Format of a client's binary messages."""

    rate: int
    """Hz."""
    sample: str
    """One of :data:`FORMATS`."""
    channels: int

    @staticmethod
    def of(query: Mapping[str, str]) -> AudioFormat:
        """Parses a URL's query; raises AudioError if a value is wrong."""
        sample = query.get("format", "int16")
        if sample not in FORMATS:
            raise AudioError(f"format={sample[:40]} is unknown: send {', '.join(FORMATS)}")
        rate, channels = (_whole(query, name, preset) for name, preset in _PRESETS)
        if not 1 <= channels <= MOST_CHANNELS:
            raise AudioError(f"channels={channels}: send 1 to {MOST_CHANNELS}")
        return AudioFormat(check_rate(rate), sample, channels)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample as the decoder returns it, of all its channels."""
        return 2 * self.channels if self.sample != "float32" else 4

    def decoder(self) -> Callable[[bytes], Buffer]:
        """Makes a function from one client's messages to samples for :meth:`samples`.

        The function raises AudioError for incomplete samples and for floats that are not finite.
        Making it raises AudioError if this server cannot decode the format. Integers stay as they
        are: the model's step converts them, several messages at once.
        """
        if self.sample == "opus":
            from edgeser.serve.opus import OpusDecoder

            return OpusDecoder(self.rate, self.channels)
        return self._floats if self.sample == "float32" else self._whole

    def samples(self, content: Buffer) -> npt.NDArray[Any]:
        """Decoded messages, one after another, as (n, channels) int16 or (n,) float32."""
        if self.sample == "float32":
            return np.frombuffer(content, PCM["float32"])
        return np.frombuffer(content, PCM["int16"]).reshape(-1, self.channels)

    def _floats(self, message: bytes) -> Buffer:
        samples: npt.NDArray[Any] = np.frombuffer(self._whole(message), PCM[self.sample])
        return to_mono(samples.reshape(-1, self.channels), self.rate).data

    def _whole(self, message: bytes) -> bytes:
        frame = PCM[self.sample].itemsize * self.channels
        if not message or len(message) % frame:
            raise AudioError(
                f"a message of {len(message)} bytes is not a whole number of samples: "
                f"{self.channels} channel(s) of {self.sample} take {frame} bytes each"
            )
        return message


FRAMES = ("all", "spoken", "none")
ENCODINGS = ("json", "binary")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants to receive, besides the starts and ends of utterances."""

    frames: str = "all"
    """``all``, ``spoken`` (only frames within utterances), or ``none``."""
    encoding: str = "json"
    """Encoding of frames: ``json`` or ``binary``."""

    @staticmethod
    def of(query: Mapping[str, str]) -> Wanted:
        """Parses a URL's query; raises AudioError if a value is wrong."""
        wanted = Wanted(query.get("frames", "all"), query.get("encoding", "json"))
        for name, known in (("frames", FRAMES), ("encoding", ENCODINGS)):
            if (value := getattr(wanted, name)) not in known:
                raise AudioError(f"{name}={value[:40]} is unknown: ask for {', '.join(known)}")
        return wanted


PARAMETERS = ("rate", "format", "channels", "frames", "encoding", "token")


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A URL's query as a dictionary; raises AudioError for unknown and repeated parameters."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise AudioError(f"{name[:40]!r} is an unknown parameter: send {', '.join(PARAMETERS)}")
        if name in given:
            raise AudioError(f"{name} is given twice: send it once")
        given[name] = value
    return given


_PRESETS = (("rate", "16000"), ("channels", "1"))


def _whole(query: Mapping[str, str], name: str, preset: str) -> int:
    text = query.get(name, preset)
    if not (text.isascii() and text.isdigit()):
        raise AudioError(f"{name}={text[:40]!r} is not a whole number")
    if len(text) > MOST_DIGITS:
        raise AudioError(f"{name}={text[:40]!r} has more than {MOST_DIGITS} digits")
    return int(text)


def ready(model: Model, audio: AudioFormat, speech_threshold: float) -> dict[str, Any]:
    """The first event: describes the model and the audio format."""
    return {
        "type": "ready",
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
        "labels": list(model.labels),
        "hop": model.hop,
        "rate": audio.rate,
        "format": audio.sample,
        "channels": audio.channels,
        "speech_threshold": speech_threshold,
        "confidence_threshold": model.confidence_threshold,
    }


_FRAME = tuple(field.name for field in fields(EmotionFrame))
_values = attrgetter(*_FRAME)


def version_of(model: Model) -> str:
    """Identifies a model in events: its version, and the first eight digits of its hash."""
    return f"{model.version}+{model.hash[:8]}"


def frame_event(frame: EmotionFrame, latency_ms: float, version: str) -> dict[str, Any]:
    """The event of a frame, with the milliseconds since its audio arrived."""
    values = zip(_FRAME, _values(frame), strict=True)  # asdict copies deeply
    return {"type": "frame", **dict(values), "latency_ms": latency_ms, "version": version}


def utterance_event(event: UtteranceEvent, version: str) -> dict[str, Any] | None:
    """The event of an utterance's start or end; None for frames, which ``frame_event`` encodes."""
    if isinstance(event, SpeechStarted):
        return {"type": "speech_started", "time": event.time, "version": version}
    if isinstance(event, Emotion):
        return None
    verdict = asdict(event.verdict)
    del verdict["frames"]
    return {
        "type": "utterance",
        "start": event.start,
        "end": event.end,
        "ended": event.ended,
        **verdict,
        "timeline": [
            {"time": f.time, "label": f.label, "confidence": f.confidence} for f in event.timeline
        ],
        "version": version,
    }


def error(code: str, message: str) -> dict[str, Any]:
    """The event of an error; the connection closes after it."""
    return {"type": "error", "code": code, "message": message}


_NUMBER = {"type": "number"}
_VERSION = {"type": "string", "pattern": r"\+[0-9a-f]{8}$"}
_LABEL = {"type": ["string", "null"]}
_PROBABILITIES = {
    "type": "object",
    "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
}


def _event(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": kind,
        "type": "object",
        "properties": {"type": {"const": kind}, **properties},
        "required": ["type", *properties],
        "additionalProperties": False,
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Events of edgeser serve, version 1",
    "oneOf": [
        _event(
            "ready",
            {
                "model": {"type": "object"},
                "labels": {"type": "array", "items": {"type": "string"}},
                "hop": _NUMBER,
                "rate": {"type": "integer"},
                "format": {"enum": list(FORMATS)},
                "channels": {"type": "integer"},
                "speech_threshold": _NUMBER,
                "confidence_threshold": _NUMBER,
            },
        ),
        _event(
            "frame",
            {
                "time": _NUMBER,
                "label": _LABEL,
                "confidence": _NUMBER,
                "probabilities": _PROBABILITIES,
                "speech": _NUMBER,
                "level": _NUMBER,
                "latency_ms": _NUMBER,
                "version": _VERSION,
            },
        ),
        _event("speech_started", {"time": _NUMBER, "version": _VERSION}),
        _event(
            "utterance",
            {
                "start": _NUMBER,
                "end": _NUMBER,
                "ended": {"enum": ["silence", "longest", "flush"]},
                "label": _LABEL,
                "confidence": _NUMBER,
                "probabilities": _PROBABILITIES,
                "duration": _NUMBER,
                "speech_seconds": _NUMBER,
                "timeline": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"time": _NUMBER, "label": _LABEL, "confidence": _NUMBER},
                        "required": ["time", "label", "confidence"],
                    },
                },
                "version": _VERSION,
            },
        ),
        _event("error", {"code": {"type": "string"}, "message": {"type": "string"}}),
    ],
}
"""JSON Schema of every event."""
