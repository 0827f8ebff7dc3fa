"""Opens streams without delaying other clients, whatever their sample rate is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from edgeser.serve.budget import Budget
from edgeser.serve.worker import Worker

T = TypeVar("T")

RATES = frozenset(
    {8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000}
    | {88_200, 96_000, 176_400, 192_000}
)
"""Sample rates of devices and browsers, in Hz. Their resamplers are designed in a millisecond or
two; for other rates it takes up to 40 ms, and every rate needs its own."""
SHARE, AT_ONCE = 0.25, 1.0
"""The part of the time in which streams of other rates are opened, and seconds at once."""


class Opening:
    """Opens streams: of :data:`RATES` at once, of others one after another, in a thread of its own.

    Threads: the event loop's.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._budget = Budget(SHARE, AT_ONCE)
        self._worker: Worker | None = None

    async def open(
        self, rate: int, make: Callable[[], T], wanted: Callable[[], bool] = lambda: True
    ) -> T | None:
        """Returns what ``make`` returns, or None if it is not ``wanted`` when its turn comes.

        ``make`` may run in another thread. Raises what it raises.
        """
        if rate in RATES:
            return make()
        async with self._turn:
            if wanted():
                await asyncio.sleep(self._budget.take(0.0))
            if not wanted():
                return None
            if self._worker is None:
                self._worker = Worker("edgeser opening")
            began = time.monotonic()
            try:
                return await self._worker.call(make)
            finally:
                # At most so much: the machine may have been frozen meanwhile.
                self._budget.take(min(time.monotonic() - began, AT_ONCE))

    def close(self) -> None:
        """Ends the thread."""
        if self._worker is not None:
            self._worker.close()
