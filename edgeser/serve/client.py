"""One connection's stream, with its audio that waits and its events that are to be sent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.serve.config import ServeConfig
from edgeser.serve.encoding import FrameLayout
from edgeser.serve.protocol import (
    AudioFormat,
    Wanted,
    error,
    frame_event,
    utterance_event,
    version_of,
)
from edgeser.streaming.utterances import Emotion, Utterance, UtteranceEvent, Utterances

Samples = npt.NDArray[Any]
"""(n,) float32, or (n, channels) int16; of one client all alike."""
Message = dict[str, Any] | bytes
"""An event, or frames in binary."""

MOST_WAITING_BYTES = 4 << 20
"""Of one client's audio, whatever its rate."""


class Told(NamedTuple):
    """What a step brought to one client."""

    frames: int
    silent: int
    """Of these, how many are not speech."""
    utterances: list[Utterance]
    """Those that ended."""
    latency: float
    """Seconds since the last audio of it came."""


class Client:
    """One connection's stream, the audio it still has to hear, and the events it has to send.

    Raises:
        AudioError: this server cannot decode the format.
    """

    def __init__(
        self, model: Model, audio: AudioFormat, config: ServeConfig, wanted: Wanted | None = None
    ) -> None:
        self.audio, self.limits = audio, config.limits
        self.wanted = wanted or Wanted()
        self.decode = audio.decoder()
        detector = config.detector() if config.detector is not None else None
        self._frames: list[EmotionFrame] = []
        self._version = version_of(model)
        self._layout: FrameLayout | None = None
        if self.wanted.encoding == "binary":
            self._layout = FrameLayout(model.labels, self._version)
        self.utterances = Utterances(
            model,
            audio.rate,
            config.rules,
            detector=detector,
            every_hop=config.every_hop,
            on_frame=self._frames.append,
        )
        """What the pool steps."""
        self._threshold = self.utterances.speech_threshold
        self._room = min(
            int(self.limits.burst_seconds * audio.rate), MOST_WAITING_BYTES // audio.sample_bytes
        )
        """Samples that may wait; more are not read."""
        self.events: asyncio.Queue[Message | None] = asyncio.Queue()
        """What is still to be sent; None after the last."""
        self.unsent = 0
        """Of those, that whoever sends them has not sent yet; those in its hands count."""
        self.outlet: Callable[[list[Message]], bool] = lambda _: False
        """Sends at once, if that can be; whether it did."""
        self.heard = asyncio.Event()
        """Set while there is room for more audio."""
        self.heard.set()
        self.overrun = asyncio.Event()
        """Set once more events are unread than may be."""
        self.awaited_since: float | None = None
        """Since when its next message is waited for; None while it is not."""
        self.seat = -1
        """On the server's board."""
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
        """Checked samples, to be heard at the worker's next turn."""
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
        taken = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._samples -= len(taken)
        self.due_since = None
        self._look()
        return came, taken

    def deliver(self, events: list[UtteranceEvent], came: float) -> Told:
        """Send what a step brought; returns what that was."""
        self._needed = self.utterances.until_frame
        self._look()
        return self._tell(events, came)

    def finish(self) -> Told:
        """Judge what was said last; returns what that brought."""
        came = time.monotonic()
        told = self._tell(self.utterances.flush(), came)
        self._queue(None)
        return told

    def fail(self, code: str, message: str) -> None:
        """One last event that says why; the first reason stays."""
        if self.failed:
            return
        self.ending = self.failed = True
        self._queue(error(code, message))
        self._queue(None)

    def _queue(self, message: Message | None) -> None:
        self.unsent += 1
        self.events.put_nowait(message)

    def _look(self) -> None:
        """See how much there is to hear."""
        full = self._samples > self._room
        if full == self.heard.is_set():
            (self.heard.clear if full else self.heard.set)()
        if self.due_since is None and self.due:
            self.due_since = time.monotonic()

    def _tell(self, events: list[UtteranceEvent], came: float) -> Told:
        seconds, version = time.monotonic() - came, self._version
        latency, frames, wanted = round(1000 * seconds, 2), len(self._frames), self.wanted.frames
        silent = sum(frame.speech < self._threshold for frame in self._frames)
        heard = self._frames if wanted == "all" else []
        if wanted == "spoken":
            heard = [event.frame for event in events if isinstance(event, Emotion)]
        messages: list[Message] = []
        if heard and self._layout is not None:
            messages.append(b"".join([self._layout.pack(frame, latency) for frame in heard]))
        elif heard:
            messages += [frame_event(frame, latency, version) for frame in heard]
        self._frames.clear()
        for event in events:
            if (told := utterance_event(event, version)) is not None:
                messages.append(told)
        if messages:
            self._send(messages)
        ended = [event for event in events if isinstance(event, Utterance)]
        return Told(frames, silent, ended, seconds)

    def _send(self, messages: list[Message]) -> None:
        if not self.unsent and self.outlet(messages):
            return
        for message in messages:
            if self.events.qsize() >= self.limits.unread_events:
                # The rest is not kept: nobody reads it, and it would grow.
                self.ending = self.failed = True
                self.overrun.set()
                return
            self._queue(message)
