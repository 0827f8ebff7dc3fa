"""Threads that run the model, and open its streams."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """One thread that runs functions, one after another.

    Unlike an executor's thread it does not keep the process alive: if it hangs, the process can
    still exit.
    """

    def __init__(self, name: str) -> None:
        self.busy_since: float | None = None
        """When its current function began, of ``time.monotonic``; None if there is none."""
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a function in the thread; returns or raises its result. Exits: RuntimeError."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(outcome: Callable[[Any], None], value: object) -> None:
            if not future.done():
                outcome(value)

        def task() -> None:
            if future.done():  # cancelled while it waited
                return
            self.busy_since = time.monotonic()
            try:
                outcome: tuple[Callable[[Any], None], object]
                outcome = future.set_result, function(*arguments)
            except Exception as failure:  # noqa: BLE001  raised where it is awaited
                outcome = future.set_exception, failure
            except BaseException as failure:  # noqa: BLE001  would end the event loop
                outcome = future.set_exception, RuntimeError(f"the worker met {failure!r}")
            self.busy_since = None
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, *outcome)

        self._tasks.put(task)
        return await future

    def close(self, patience: float = 1.0) -> bool:
        """Stops the thread after its current function; returns whether it ended in time."""
        self._tasks.put(None)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # and its arguments, before it waits for the next
