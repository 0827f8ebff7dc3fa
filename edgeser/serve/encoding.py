"""Encodes events: as JSON, or frames in a fixed binary layout.

A binary frame has 48 bytes and 8 for each label, little-endian, with the content of its JSON form:

====== ========= =====================================================
offset type      holds
====== ========= =====================================================
0      uint8     1: a frame
1      uint8     n, the number of labels
2      int16     index of its label in ``ready``, -1 for none
4      uint32    the model's hash: its first eight hexadecimal digits
8      float64   time
16     float64   confidence
24     float64   speech
32     float64   level
40     float64   latency_ms
48     float64   probabilities, n of them, in the order of the labels
====== ========= =====================================================

A binary message has one frame or more, without gaps; all other events are JSON.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

from edgeser.results import EmotionFrame

FRAME = 1
NO_LABEL = -1

encode_json: Callable[[dict[str, Any]], str] = json.JSONEncoder(allow_nan=False).encode
"""An event as JSON text."""


class FrameLayout:
    """Encodes and decodes the frames of a model with these labels.

    ``version`` is the ``model`` of its events: the version, a plus, and eight digits of the hash.
    """

    def __init__(self, labels: Sequence[str], version: str) -> None:
        self._version, self._hash = version, int(version.rpartition("+")[2], 16)
        self._labels = tuple(labels)
        self._places: dict[str | None, int] = {label: at for at, label in enumerate(labels)}
        self._places[None] = NO_LABEL
        self._struct = struct.Struct(f"<BBhI5d{len(self._labels)}d")
        self.size = self._struct.size
        """Size of one frame in bytes."""

    def pack(self, frame: EmotionFrame, latency_ms: float) -> bytes:
        """Encodes one frame."""
        return self._struct.pack(
            FRAME,
            len(self._labels),
            self._places[frame.label],
            self._hash,
            frame.time,
            frame.confidence,
            frame.speech,
            frame.level,
            latency_ms,
            *frame.probabilities.values(),
        )

    def unpack(self, message: bytes) -> list[dict[str, Any]]:
        """Decodes the frames of a message, into the form of their JSON events.

        Raises:
            ValueError: it holds no frames, or frames of another model.
        """
        if not message or len(message) % self.size:
            raise ValueError(f"{len(message)} bytes are no frames of {self.size} bytes each")
        return [self._event(*values) for values in self._struct.iter_unpack(message)]

    def _event(self, kind: int, count: int, place: int, model: int, *v: float) -> dict[str, Any]:
        if kind != FRAME or count != len(self._labels):
            raise ValueError(f"a message of kind {kind} with {count} labels is no frame of these")
        if model != self._hash:
            raise ValueError(f"a frame of the model {model:08x}, not of {self._hash:08x}")
        return {
            "type": "frame",
            "time": v[0],
            "label": None if place == NO_LABEL else self._labels[place],
            "confidence": v[1],
            "probabilities": dict(zip(self._labels, v[5:], strict=True)),
            "speech": v[2],
            "level": v[3],
            "latency_ms": v[4],
            "version": self._version,
        }
