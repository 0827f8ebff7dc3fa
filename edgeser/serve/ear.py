"""What takes one client's messages of audio, at the pace at which it may send them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from edgeser.errors import AudioError
from edgeser.serve.budget import Budget
from edgeser.serve.client import Client, Message

GAP_SECONDS = 0.5
"""Audio that comes so much later than it should was away: a gap."""
DRIFT = 1e-3
"""Seconds that a microphone's clock may lose in a second: that makes no gap."""
SHORT_CUT = "edgeser.short_cut"
"""Of an ASGI scope's extensions: a :class:`ShortCut`."""


class Ear:
    """One client's. Threads: the event loop's.

    Args:
        client: whose audio it is.
        wake: called once a step would do anything for the client.
        gap: called with the seconds for which a client's audio stayed away.
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
        """Hear a message; seconds to wait until the next is taken.

        What cannot be decoded ends the client's stream, and it is told why.
        """
        client, limits = self.client, self.client.limits
        if client.ending:
            return 0.0
        try:
            if len(message) > limits.message_bytes:
                raise AudioError(
                    f"a message of {len(message)} bytes: send {limits.message_bytes} at most"
                )
            samples = client.decode(message)
        except AudioError as problem:
            client.fail("audio", str(problem))
            return 0.0
        client.push(samples)
        if client.due_since is not None:
            self._wake()
        client.awaited_since = now = time.monotonic()
        seconds = len(samples) / client.audio.rate
        self._arrived(seconds, now)
        return self._pace.take(seconds)

    def _arrived(self, seconds: float, now: float) -> None:
        """See whether it comes as late as it usually does: who is behind real time missed some."""
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
        """Seconds until all that was heard is paid for."""
        return self._pace.take(0.0)

    async def rest(self, seconds: float) -> None:
        """Wait so long, and until there is room for more audio."""
        self.client.awaited_since = None
        await asyncio.sleep(seconds)
        await self.client.heard.wait()
        if not self.client.ending:  # else nothing is waited for, however long the rest takes
            self.client.awaited_since = time.monotonic()


class ShortCut(Protocol):
    """A connection that hands messages over without a task's turn for each.

    ``edgeser.serve.connection`` has one; under another server than uvicorn there is none, and all
    goes through ASGI.
    """

    def listen(self, ear: Ear) -> bool:
        """From now on binary messages go to the ear; False if some came that nobody received."""

    def tell(self, messages: list[Message]) -> bool:
        """Send these now; False, and nothing is sent, if others must be read first."""
