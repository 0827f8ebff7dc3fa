"""Everybody who is connected, stepped together: one worker owns the pool, nobody else steps it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.errors import EdgeserError
from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.serve.config import ServeConfig
from edgeser.serve.metrics import Metrics
from edgeser.serve.protocol import AudioFormat, error, frame_event, utterance_event
from edgeser.streaming.utterances import Utterance, UtteranceEvent, Utterances

Samples = npt.NDArray[np.float32]

MOST_SECONDS_A_STEP = 1.0
"""Of one stream's audio: who sends much at once does not make the others wait."""


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
        if self.waiting > self.limits.burst_seconds:
            self.heard.clear()

    def take(self) -> tuple[float, Samples]:
        """What is waiting, up to a second, and when that came."""
        parts, came = [], 0.0
        most = int(MOST_SECONDS_A_STEP * self.audio.rate)
        while self._waiting and most > 0:
            came, samples = self._waiting.popleft()
            if len(samples) > most:
                self._waiting.appendleft((came, samples[most:]))
                samples = samples[:most]
            most -= len(samples)
            parts.append(samples)
        taken = np.concatenate(parts)
        self._samples -= len(taken)
        if self.waiting <= self.limits.burst_seconds:
            self.heard.set()
        return came, taken

    def deliver(self, events: list[UtteranceEvent], came: float) -> tuple[int, int]:
        """Send what a step brought; returns how many frames and how many ended utterances."""
        self._needed = self.utterances.until_frame
        return self._tell(events, came)

    def finish(self) -> int:
        """Judge what was said last; returns how many utterances ended."""
        came = time.monotonic()
        _, ended = self._tell(self.utterances.flush(), came)
        self.events.put_nowait(None)
        return ended

    def fail(self, code: str, message: str) -> None:
        """One last event that says why."""
        self.ending = self.failed = True
        self.events.put_nowait(error(code, message))
        self.events.put_nowait(None)

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


class Hub:
    """The clients and the worker that steps them.

    Everything here runs in the event loop's thread, but for the stepping itself.
    """

    def __init__(self, model: Model, config: ServeConfig) -> None:
        self.model, self.config = model, config
        self.metrics = Metrics()
        self.clients: set[Client] = set()
        self.closing = False
        self.sockets = 0
        """Open connections; those that are being told goodbye count."""
        self._pool = model.pool()
        self._thread = ThreadPoolExecutor(1, "edgeser worker")
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self, patience: float = 5.0) -> None:
        """Judge what everybody said last, tell them, and stop; again does nothing."""
        if self.closing:
            return
        self.closing = True
        for client in self.clients:
            client.ending = True
        self._work.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()
        until = time.monotonic() + patience
        while self.sockets and time.monotonic() < until:
            await asyncio.sleep(0.01)

    def join(self, audio: AudioFormat) -> Client | None:
        """A new client, or None if there are too many. Raises AudioError as :class:`Client`."""
        if self.closing or len(self.clients) >= self.config.limits.connections:
            self.metrics.refused.inc()
            return None
        client = Client(self.model, audio, self.config)
        self.clients.add(client)
        self.metrics.connections.set(len(self.clients))
        return client

    def leave(self, client: Client) -> None:
        """It is gone; whatever it still had is forgotten."""
        self.clients.discard(client)
        self.metrics.connections.set(len(self.clients))

    def wake(self) -> None:
        """There is something to do."""
        self._work.set()

    async def _run(self) -> None:
        while not (self.closing and not self.clients):
            await self._work.wait()
            self._work.clear()
            while await self._step():
                pass
            if self.closing:
                return

    async def _step(self) -> bool:
        """One batch; whether there was anything to do."""
        ready = [c for c in self.clients if c.due]
        if ready:
            taken = {client: client.take() for client in ready}
            chunks = {client: samples for client, (_, samples) in taken.items()}
            began = time.monotonic()
            loop = asyncio.get_running_loop()
            try:
                events = await loop.run_in_executor(self._thread, self._hear, chunks)
            except EdgeserError as failure:
                for client in ready:
                    client.fail("backend", str(failure))
                return True
            self.metrics.step_seconds.observe(time.monotonic() - began)
            self.metrics.batch.observe(len(ready))
            for client, (came, samples) in taken.items():
                self.metrics.audio_seconds.inc(len(samples) / client.audio.rate)
                frames, ended = client.deliver(events[client], came)
                self.metrics.frames.inc(frames)
                self.metrics.utterances.inc(ended)
        done = [c for c in self.clients if c.failed or (c.ending and not c.waiting)]
        for client in done:
            if not client.failed:
                self.metrics.utterances.inc(client.finish())
            self.clients.discard(client)
        self.metrics.connections.set(len(self.clients))
        return bool(ready)

    def _hear(self, chunks: dict[Client, Samples]) -> dict[Client, list[UtteranceEvent]]:
        """In the worker's thread."""
        heard = self._pool.hear({client.utterances: chunk for client, chunk in chunks.items()})
        return {client: heard[client.utterances] for client in chunks}
