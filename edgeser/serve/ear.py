"""What takes one client's messages of audio, at the pace at which it may send them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from edgeser.errors import AudioError
from edgeser.serve.budget import Budget
from edgeser.serve.client import Client, Message

SHORT_CUT = "edgeser.short_cut"
"""Of an ASGI scope's extensions: a :class:`ShortCut`."""


class Ear:
    """One client's. Threads: the event loop's.

    Args:
        client: whose audio it is.
        wake: called once a step would do anything for the client.
    """

    def __init__(self, client: Client, wake: Callable[[], None]) -> None:
        self.client = client
        self._wake = wake
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
        client.awaited_since = time.monotonic()
        return self._pace.take(len(samples) / client.audio.rate)

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
