"""Receives one client's audio messages, no faster than the client may send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from edgeser.errors import AudioError
from edgeser.serve.budget import Budget
from edgeser.serve.client import Client, Message

GAP_SECONDS = 0.5
"""Audio that is later than usual by this much counts as a gap."""
DRIFT = 1e-3
"""Clock drift of a microphone, in seconds per second, that is not a gap."""
SHORT_CUT = "edgeser.short_cut"
"""Key in the extensions of an ASGI scope; its value is a :class:`ShortCut`."""


class Ear:
    """Receives the audio of one client. Threads: the event loop's.

    Args:
        client: the client.
        wake: called when a step would produce something for the client.
        gap: called with the length of a gap in the client's audio, in seconds.
    """

    def __init__(
        self,
        client: Client,
        wake: Callable[[], None],
        gap: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.client = client
        self._wake, self._gap = wake, gap
        self._begun: float | None = None
        self._heard = self._usual = 0.0
        self._pace = Budget(client.limits.speed, client.limits.burst_seconds)

    def take(self, message: bytes) -> float:
        """Takes a message; returns seconds to wait before the next one is taken.

        A message that cannot be decoded ends the client's stream with an error event.
        """
        client, limits = self.client, self.client.limits
        if client.ending or not message:  # recorders may send an empty buffer
            return 0.0
        try:
            if len(message) > limits.message_bytes:
                raise AudioError(
                    f"a message of {len(message)} bytes: send {limits.message_bytes} at most"
                )
            content = client.decode(message)
        except AudioError as problem:
            client.fail("audio", str(problem))
            return 0.0
        seconds = client.push(content) / client.audio.rate
        if client.due_since is not None:
            self._wake()
        client.awaited_since = now = time.monotonic()
        self._arrived(seconds, now)
        return self._pace.take(seconds)

    def _arrived(self, seconds: float, now: float) -> None:
        """Detects gaps: audio that is later than this client's usual delay."""
        if self._begun is None:
            self._begun = now - seconds
        self._heard += seconds
        late = now - self._begun - self._heard
        if late - self._usual > GAP_SECONDS:
            self._gap(late - self._usual)
            self._usual = late
        else:
            self._usual = max(0.0, min(late, self._usual + DRIFT * seconds))

    @property
    def owed(self) -> float:
        """Seconds until the audio so far is within the client's budget."""
        return self._pace.take(0.0)

    async def rest(self, seconds: float) -> None:
        """Waits so long, and until there is room for more audio."""
        self.client.awaited_since = None
        await asyncio.sleep(seconds)
        await self.client.heard.wait()
        if not self.client.ending:  # an ending client is not timed
            self.client.awaited_since = time.monotonic()


class ShortCut(Protocol):
    """A connection that passes messages on directly, without waking a task for each.

    ``edgeser.serve.connection`` implements it for uvicorn. Under other servers there is none, and
    all messages go through ASGI.
    """

    @property
    def gone(self) -> bool:
        """Whether the connection has ended, or is about to."""

    def listen(self, ear: Ear) -> bool:
        """Passes binary messages to ``ear`` from now on; False if there are older, unread ones."""

    def tell(self, messages: list[Message]) -> bool:
        """Sends these now; sends nothing and returns False if earlier ones are unsent."""
