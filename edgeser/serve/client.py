"""One connection's stream, with its audio that waits and its events that are to be sent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.serve.config import ServeConfig
from edgeser.serve.protocol import AudioFormat, error, frame_event, utterance_event
from edgeser.streaming.utterances import Utterance, UtteranceEvent, Utterances

Samples = npt.NDArray[np.float32]

MOST_WAITING_BYTES = 4 << 20
"""Of one client's audio, whatever its rate."""


class Client:
    """One connection's stream, the audio it still has to hear, and the events it has to send.

    Raises:
        AudioError: this server cannot decode the format.
    """

    def __init__(self, model: Model, audio: AudioFormat, config: ServeConfig) -> None:
        self.audio, self.limits = audio, config.limits
        self.decode = audio.decoder()
        detector = config.detector() if config.detector is not None else None
        self._frames: list[EmotionFrame] = []
        self.utterances = Utterances(
            model, audio.rate, config.rules, detector=detector, on_frame=self._frames.append
        )
        """What the pool steps."""
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        """None after the last."""
        self.heard = asyncio.Event()
        """Set while there is room for more audio."""
        self.heard.set()
        self.overrun = asyncio.Event()
        """Set once more events are unread than may be."""
        self.awaited_since: float | None = None
        """Since when its next message is waited for; None while it is not."""
        self.group = ""
        """Of addresses, that it comes from."""
        self.due_since: float | None = None
        """Since when a step would do anything for it."""
        self._needed = self.utterances.until_frame
        self._waiting: deque[tuple[float, Samples]] = deque()
        self._samples = 0
        self.ending = False
        self.failed = False

    @property
    def waiting(self) -> float:
        """Seconds of audio that were received and not yet heard."""
        return self._samples / self.audio.rate

    @property
    def due(self) -> bool:
        """Whether a step would do anything for it; what brings no frame yet can wait for more."""
        if self.failed or not self._samples:
            return False
        return self.ending or self._samples >= self._needed

    def push(self, samples: Samples) -> None:
        """Checked mono samples, to be heard at the worker's next turn."""
        self._waiting.append((time.monotonic(), samples))
        self._samples += len(samples)
        self._look()

    def take(self, seconds: float) -> tuple[float, Samples]:
        """What is waiting, up to so much, and when that came."""
        parts, came = [], 0.0
        most = max(1, int(seconds * self.audio.rate))
        while self._waiting and most > 0:
            came, samples = self._waiting.popleft()
            if len(samples) > most:
                self._waiting.appendleft((came, samples[most:]))
                samples = samples[:most]
            most -= len(samples)
            parts.append(samples)
        taken = np.concatenate(parts)
        self._samples -= len(taken)
        self.due_since = None
        self._look()
        return came, taken

    def deliver(self, events: list[UtteranceEvent], came: float) -> tuple[int, int]:
        """Send what a step brought; returns how many frames and how many ended utterances."""
        self._needed = self.utterances.until_frame
        self._look()
        return self._tell(events, came)

    def finish(self) -> int:
        """Judge what was said last; returns how many utterances ended."""
        came = time.monotonic()
        _, ended = self._tell(self.utterances.flush(), came)
        self.events.put_nowait(None)
        return ended

    def fail(self, code: str, message: str) -> None:
        """One last event that says why; the first reason stays."""
        if self.failed:
            return
        self.ending = self.failed = True
        self.events.put_nowait(error(code, message))
        self.events.put_nowait(None)

    def _look(self) -> None:
        """See how much there is to hear."""
        kept = self._samples * np.dtype(np.float32).itemsize
        if self.waiting > self.limits.burst_seconds or kept > MOST_WAITING_BYTES:
            self.heard.clear()
        else:
            self.heard.set()
        if self.due_since is None and self.due:
            self.due_since = time.monotonic()

    def _tell(self, events: list[UtteranceEvent], came: float) -> tuple[int, int]:
        latency = time.monotonic() - came
        frames = len(self._frames)
        for frame in self._frames:
            self._send(frame_event(frame, latency))
        self._frames.clear()
        for event in events:
            if (told := utterance_event(event)) is not None:
                self._send(told)
        return frames, sum(isinstance(event, Utterance) for event in events)

    def _send(self, event: dict[str, Any]) -> None:
        if self.events.qsize() < self.limits.unread_events:
            self.events.put_nowait(event)
        else:  # the rest is not kept: nobody reads it, and it would grow
            self.ending = self.failed = True
            self.overrun.set()
