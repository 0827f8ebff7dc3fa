"""The node's parameters, checked, without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import edgeser
from edgeser_ros.pcm import FORMATS

_CHOICES = {
    "source": ("topic", "microphone"),
    "audio_type": ("stamped", "plain"),
    "audio_reliability": ("reliable", "best_effort"),
    "detector": ("model", "silero"),
    "sample_format": tuple(FORMATS),
}


def _parameter(preset: Any, about: str) -> Any:
    return field(default=preset, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Settings:
    """One field per parameter, of the same name. All are read when the node is configured.

    Raises:
        AudioError: a value is invalid; the message names the parameter.
    """

    source: str = _parameter("topic", "topic, or microphone of this machine")
    audio_type: str = _parameter("stamped", "AudioDataStamped on audio_stamped, or plain: audio")
    audio_reliability: str = _parameter("reliable", "reliable or best_effort")
    audio_depth: int = _parameter(50, "length of the queue of messages")
    sample_rate: int = _parameter(16_000, "sample rate of the topic, Hz")
    sample_format: str = _parameter("S16LE", "format of the topic: " + ", ".join(FORMATS))
    channels: int = _parameter(1, "channels of the topic, interleaved; they are averaged")
    gap: float = _parameter(0.25, "a longer gap between stamps is missing audio, s")
    device: str = _parameter("", "microphone: a part of its name; empty for the default one")
    frame_id: str = _parameter("microphone", "frame of messages without a header")
    model: str = _parameter("", "path of a bundle; empty for the bundled model")
    backend: str = _parameter("cpu", "cpu, cuda or auto")
    precision: str = _parameter("float32", "float32, bfloat16 or int8")
    detector: str = _parameter("model", "speech detector: model, or silero (in noise)")
    speech: float = _parameter(0.0, "threshold of the speech score; 0 for the detector's own")
    onset: float = _parameter(0.25, "speech that starts an utterance, s")
    hangover: float = _parameter(0.9, "silence that ends an utterance, s")
    longest: float = _parameter(30.0, "maximum length of an utterance, s")
    publish_frames: bool = _parameter(True, "EmotionFrame, every 128 ms")
    publish_json: bool = _parameter(False, "utterances as JSON strings, too")

    def __post_init__(self) -> None:
        """Raises AudioError for an invalid value."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise edgeser.AudioError(
                    f"parameter {name} is {getattr(self, name)!r}: give {' or '.join(choices)}"
                )
        for name in ("audio_depth", "channels", "gap"):
            if not getattr(self, name) > 0:
                raise edgeser.AudioError(
                    f"parameter {name} is {getattr(self, name)!r}: give a value above 0"
                )
        _ = self.rules

    @staticmethod
    def of(values: Mapping[str, Any]) -> Settings:
        """Creates settings from parameter values by name."""
        return Settings(**{name: values[name] for name, _, _ in Settings.parameters()})

    @staticmethod
    def parameters() -> list[tuple[str, Any, str]]:
        """Name, default and description of each parameter."""
        return [(f.name, f.default, f.metadata["about"]) for f in fields(Settings)]

    @property
    def rules(self) -> edgeser.Endpointing:
        """Rules for the start and end of an utterance."""
        return edgeser.Endpointing(
            speech=self.speech or None,
            onset=self.onset,
            hangover=self.hangover,
            longest=self.longest,
        )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return int(FORMATS[self.sample_format][-1]) * self.channels
