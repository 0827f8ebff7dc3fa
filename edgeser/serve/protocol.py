"""What goes over the wire.

A client opens ``/v1/stream?rate=16000&format=int16&channels=1`` and sends audio as binary messages
of any length: interleaved, little-endian, whole samples; or, with ``format=opus``, one Opus packet
a message. The text message ``{"type": "end"}`` ends
it: what was said last is judged, and the server closes. Every event is a JSON text message; their
schema is :data:`SCHEMA`, served at ``/v1/schema.json``. A client may ask for frames in binary
(:mod:`edgeser.serve.encoding`), for fewer, or for none. Nothing of the audio is stored or logged.
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
_HERE: dict[str, np.dtype[Any]] = {name: sent.newbyteorder("=") for name, sent in PCM.items()}
FORMATS = (*PCM, "opus")
MOST_CHANNELS = 32


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a client's binary messages hold."""

    rate: int
    """Hz."""
    sample: str
    """One of :data:`FORMATS`."""
    channels: int

    @staticmethod
    def of(query: Mapping[str, str]) -> AudioFormat:
        """From a URL's query; raises AudioError that says what is wrong with it."""
        sample = query.get("format", "int16")
        if sample not in FORMATS:
            raise AudioError(f"format={sample[:40]} is unknown: send {', '.join(FORMATS)}")
        rate, channels = (_whole(query, name, preset) for name, preset in _PRESETS)
        if not 1 <= channels <= MOST_CHANNELS:
            raise AudioError(f"channels={channels}: send 1 to {MOST_CHANNELS}")
        return AudioFormat(check_rate(rate), sample, channels)

    @property
    def sample_bytes(self) -> int:
        """Of memory that a sample takes until it is heard."""
        return 2 * self.channels if self.sample != "float32" else 4

    def decoder(self) -> Callable[[bytes], npt.NDArray[Any]]:
        """What turns one client's messages into samples: (n, channels) int16, or mono float32.

        It raises AudioError for a message that does not hold whole ones, or whose floats are none;
        so does making it, if this server cannot decode the format. Integers are left as they came:
        a step of the model takes them, and several messages at once.
        """
        if self.sample == "opus":
            from edgeser.serve.opus import OpusDecoder

            return OpusDecoder(self.rate, self.channels)
        return self._floats if self.sample == "float32" else self._samples

    def _floats(self, message: bytes) -> npt.NDArray[Any]:
        return to_mono(self._samples(message), self.rate)

    def _samples(self, message: bytes) -> npt.NDArray[Any]:
        sent = PCM[self.sample]
        frame = sent.itemsize * self.channels
        if not message or len(message) % frame:
            raise AudioError(
                f"a message of {len(message)} bytes holds no whole number of samples: "
                f"{self.channels} channel(s) of {self.sample} take {frame} bytes each"
            )
        samples: npt.NDArray[Any] = np.frombuffer(message, sent)
        return samples.astype(_HERE[self.sample], copy=False).reshape(-1, self.channels)


FRAMES = ("all", "spoken", "none")
ENCODINGS = ("json", "binary")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants to hear beside when somebody speaks and what it was."""

    frames: str = "all"
    """``all``, those of utterances (``spoken``), or ``none``."""
    encoding: str = "json"
    """Of frames: ``json`` or ``binary``."""

    @staticmethod
    def of(query: Mapping[str, str]) -> Wanted:
        """From a URL's query; raises AudioError that says what is wrong with it."""
        wanted = Wanted(query.get("frames", "all"), query.get("encoding", "json"))
        for name, known in (("frames", FRAMES), ("encoding", ENCODINGS)):
            if (value := getattr(wanted, name)) not in known:
                raise AudioError(f"{name}={value[:40]} is unknown: ask for {', '.join(known)}")
        return wanted


PARAMETERS = ("rate", "format", "channels", "frames", "encoding", "token")


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of a URL's query, each known and given once; raises AudioError for others."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise AudioError(f"{name[:40]!r} is no parameter: send {', '.join(PARAMETERS)}")
        if name in given:
            raise AudioError(f"{name} is given twice: send it once")
        given[name] = value
    return given


_PRESETS = (("rate", "16000"), ("channels", "1"))


def _whole(query: Mapping[str, str], name: str, preset: str) -> int:
    text = query.get(name, preset)
    if not (text.isascii() and text.isdigit()):
        raise AudioError(f"{name}={text[:40]!r} is no whole number")
    return int(text[:12])


def ready(model: Model, audio: AudioFormat, speech_threshold: float) -> dict[str, Any]:
    """The first event: who is listening, and to what."""
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
    """Which model an event is of: its version, and the first eight digits of its hash."""
    return f"{model.version}+{model.hash[:8]}"


def frame_event(frame: EmotionFrame, latency_ms: float, version: str) -> dict[str, Any]:
    """A frame, and the milliseconds that it took from the arrival of its audio."""
    values = zip(_FRAME, _values(frame), strict=True)  # asdict copies deeply
    return {"type": "frame", **dict(values), "latency_ms": latency_ms, "version": version}


def utterance_event(event: UtteranceEvent, version: str) -> dict[str, Any] | None:
    """The rest; None for what is sent as a frame already."""
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
    """Something is wrong; the connection ends after it."""
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
