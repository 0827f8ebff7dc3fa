"""One client: its stream, its audio that waits to be processed, and its events to be sent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy.typing as npt

from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.serve.budget import Budget
from edgeser.serve.config import ServeConfig
from edgeser.serve.encoding import FrameLayout
from edgeser.serve.protocol import (
    AudioFormat,
    Buffer,
    Wanted,
    error,
    frame_event,
    utterance_event,
    version_of,
)
from edgeser.streaming.utterances import Emotion, Utterance, UtteranceEvent, Utterances

Samples = npt.NDArray[Any]
"""(n,) float32, or (n, channels) int16; always the same for one client."""
Message = dict[str, Any] | bytes
"""An event, or frames in binary."""

MOST_WAITING_BYTES = 4 << 20
"""Limit of one client's waiting audio, at any sample rate."""
LIVE_SPEED, LIVE_SECONDS, LIVE_FIRST = 1.05, 2.0, 0.5
"""Audio that a live voice sends: real time, with a clock that is not exact; so many seconds at once
after a hitch, and fewer at first, since who comes again and again is new each time."""
LIVE_SHARE = 0.25
"""Of the speed that a server allows: where it allows more than usual, more counts as live."""


class Told(NamedTuple):
    """What one step produced for one client."""

    frames: int
    silent: int
    """How many of these frames are not speech."""
    utterances: list[Utterance]
    """Utterances that ended."""
    latency: float
    """Seconds since the newest audio of the step arrived."""


class Client:
    """One client's stream, its audio that waits to be processed, and its unsent events.

    Raises:
        AudioError: this server cannot decode the format.
    """

    def __init__(
        self, model: Model, audio: AudioFormat, config: ServeConfig, wanted: Wanted | None = None
    ) -> None:
        self.audio, self.limits = audio, config.limits
        self.wanted = wanted or Wanted()
        self.decode = audio.decoder()
        self._width = audio.sample_bytes
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
        """Its stream in the pool."""
        self._threshold = self.utterances.speech_threshold
        burst = self.limits.burst_seconds * audio.rate
        self._room = int(min(burst, MOST_WAITING_BYTES // audio.sample_bytes))
        """Limit of waiting samples; beyond it the connection is not read."""
        self.events: asyncio.Queue[Message | None] = asyncio.Queue()
        """Events to be sent; None after the last one."""
        self.unsent = 0
        """Events that the sender has not sent yet, including those it is sending now."""
        self.outlet: Callable[[list[Message]], bool] = lambda _: False
        """Sends messages immediately if possible; returns whether it did."""
        self.heard = asyncio.Event()
        """Set while there is room for more audio."""
        self.heard.set()
        self.overrun = asyncio.Event()
        """Set when there are more unread events than allowed."""
        self.awaited_since: float | None = None
        """Time since which the server waits for its next message; None if it does not wait."""
        self.seat = -1
        """Its seat on the board."""
        self.due_since: float | None = None
        """Since when a step would produce something for it."""
        self._needed = self.utterances.until_frame
        live = max(LIVE_SPEED, LIVE_SHARE * self.limits.speed)
        self._live = Budget(live, LIVE_SECONDS)
        self._live.take(LIVE_SECONDS - LIVE_FIRST)
        self._waiting = bytearray()
        self._arrivals: deque[tuple[int, float]] = deque()
        """Of each message that waits: where it ends, in bytes of the stream, and when it came."""
        self._taken = 0
        """Bytes of the stream that do not wait any more."""
        self._samples = 0
        """Those that wait."""
        self.ending = False
        self.failed = False

    @property
    def waiting(self) -> float:
        """Seconds of audio that arrived and are not processed yet."""
        return self._samples / self.audio.rate

    @property
    def due(self) -> bool:
        """Whether a step would produce something; audio too short for a frame can wait for more."""
        if self.failed or not self._samples:
            return False
        return self.ending or self._samples >= self._needed

    @property
    def ahead(self) -> bool:
        """Whether more of its audio was taken than a live voice would have sent by now."""
        return self._live.take(0.0) > 0

    def push(self, content: Buffer) -> int:
        """Appends decoded samples, for the worker's next step; returns how many."""
        waiting, before = self._waiting, self._samples
        waiting += content
        self._arrivals.append((self._taken + len(waiting), time.monotonic()))
        self._samples = len(waiting) // self._width
        self._look()
        return self._samples - before

    def take(self, seconds: float) -> tuple[float, Samples]:
        """Takes up to so many seconds of waiting samples; returns their arrival time, too."""
        most = max(1, int(seconds * self.audio.rate)) * self._width
        part = self._waiting[:most]
        del self._waiting[:most]
        self._taken += len(part)
        while self._arrivals[0][0] < self._taken:
            self._arrivals.popleft()
        self._samples = len(self._waiting) // self._width
        self._live.take(len(part) / self._width / self.audio.rate)
        self.due_since = None
        self._look()
        return self._arrivals[0][1], self.audio.samples(part)

    def deliver(self, events: list[UtteranceEvent], came: float) -> Told:
        """Sends the events of a step; returns a summary of them."""
        self._needed = self.utterances.until_frame
        self._look()
        return self._tell(events, came)

    def finish(self) -> Told:
        """Ends the utterance that is open; returns a summary of the events."""
        came = time.monotonic()
        told = self._tell(self.utterances.flush(), came)
        self._queue(None)
        return told

    def fail(self, code: str, message: str) -> None:
        """Sends one last event with an error; only the first error counts."""
        if self.failed:
            return
        self.ending = self.failed = True
        self._queue(error(code, message))
        self._queue(None)

    def _queue(self, message: Message | None) -> None:
        self.unsent += 1
        self.events.put_nowait(message)

    def _look(self) -> None:
        """Updates how much audio waits."""
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
                # Drop further events: nobody reads them, and they would fill the memory.
                self.ending = self.failed = True
                self.overrun.set()
                return
            self._queue(message)
