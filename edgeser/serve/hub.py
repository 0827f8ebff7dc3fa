"""All clients of a process. One worker thread owns the pool and steps it; nothing else does.

A failure in a step ends at most the stream that caused it, and never the worker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from edgeser.errors import EdgeserError
from edgeser.model import Model
from edgeser.serve.access import is_local
from edgeser.serve.board import BEAT, CLIENTS, LAST_FRAME, STATE, Board, Place, State
from edgeser.serve.client import Client, Samples
from edgeser.serve.config import ServeConfig
from edgeser.serve.door import group_of
from edgeser.serve.lasting import Lasting
from edgeser.serve.metrics import Metrics, model_info
from edgeser.serve.opening import Opening
from edgeser.serve.protocol import AudioFormat, Wanted
from edgeser.serve.worker import Worker
from edgeser.streaming.utterances import UtteranceEvent

Result = list[UtteranceEvent] | Exception

STEP_HOPS = 8
"""Audio of one step, in hops, shared by the clients that have some; and how many clients a step
takes of those who are ahead of real time. So fast senders delay nobody, however many they are."""
STEP_STREAMS = 64
"""Streams of one step; more are shared out among several, longest waiting first. Larger batches are
no cheaper, and all results of a step are sent after it."""
TOGETHER_SECONDS = 0.008
"""Least time between the starts of two rounds: streams that are due in between share a step, which
is cheaper than one each. Clients that are behind do not wait."""
CHECK_SECONDS, BEAT_SECONDS = 1.0, 0.5
log = logging.getLogger(__name__)


class Hub:
    """The clients, and the worker that steps their streams.

    Everything here runs in the event loop's thread, except for the steps. ``place`` is the row
    where this process publishes its state; None if there is only one process.
    """

    def __init__(self, model: Model, config: ServeConfig, place: Place | None = None) -> None:
        self.model, self.config = model, config
        self.place = place or Place(Board(1, config.limits.connections), 0)
        labels = model.labels if config.count_labels else ()
        self.metrics = Metrics(self.place, model_info(model), labels)
        self.clients: set[Client] = set()
        self.closing = False
        self.on_stuck: Callable[[], object] = lambda: None
        """Called once if a step never ends; only a new process helps then."""
        self.sockets = 0
        """Open WebSockets, including those that are closing."""
        self._pool = model.pool()
        self._worker = Worker("edgeser worker")
        self._opening = Opening()
        self._failing = self._told_stuck = False
        self._last_frame: float | None = None
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts the tasks."""
        loop = asyncio.get_running_loop()
        works = (self._run(), self._watch(), self._beat())
        self._tasks = [loop.create_task(work) for work in works]

    async def close(self, patience: float = 5.0) -> None:
        """Ends all utterances, sends their events, and stops. A second call does nothing.

        It takes at most ``patience`` seconds and a little more, even if the worker hangs.
        """
        if self.closing:
            return
        self.closing = True
        self.tell()
        for client in self.clients:
            client.ending = True
        self._work.set()
        until = time.monotonic() + patience
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=patience)
        for client in list(self.clients):
            client.fail("closing", "the server ends")
        for task in self._tasks:
            task.cancel()
        while self.sockets and time.monotonic() < until:
            await asyncio.sleep(0.01)
        self._worker.close()
        self._opening.close()

    async def join(
        self,
        audio: AudioFormat,
        host: str = "",
        wanted: Wanted | None = None,
        still_there: Callable[[], bool] = lambda: True,
    ) -> Client | None:
        """Adds a client; None if there are too many, or if it left meanwhile.

        Raises AudioError as :class:`Client`.
        """
        group, seat = group_of(host), None
        if not self.closing:
            seat = self.place.board.take_seat(self.place.row, group, self._most(group))
        if seat is None:
            self.metrics.refused.inc()
            return None
        client = None
        try:
            client = await self._opening.open(
                audio.rate,
                lambda: Client(self.model, audio, self.config, wanted),
                lambda: still_there() and not self.closing,
            )
            if client is None or self.closing:
                return None
            client.seat = seat
            self.clients.add(client)
        finally:
            if client not in self.clients:
                self.place.board.leave_seat(self.place.row, seat)
        self._count()
        return client

    def leave(self, client: Client) -> None:
        """Removes a client; its waiting audio is dropped."""
        if client in self.clients:
            self.clients.discard(client)
            self.place.board.leave_seat(self.place.row, client.seat)
            self._count()

    def tell(self) -> None:
        """Publishes this process's state to the others."""
        cells = self.place.cells
        cells[STATE], cells[BEAT] = State[self.status], time.monotonic()
        cells[LAST_FRAME] = self._last_frame or 0.0

    def wake(self) -> None:
        """Wakes the loop: there is something to do."""
        self._work.set()

    @property
    def status(self) -> str:
        """``ok`` while frames are produced; else ``closing``, ``stalled`` or ``failing``."""
        if self.closing:
            return "closing"
        now, limit = time.monotonic(), self.config.limits.stalled_seconds
        since = [c.due_since for c in self.clients if c.due_since is not None and not c.failed]
        if (busy := self._worker.busy_since) is not None:
            since.append(busy)
        if since and now - min(since) > limit:
            return "stalled"
        return "failing" if self._failing else "ok"

    @property
    def since_frame(self) -> float | None:
        """Seconds since the last frame of any client; None before the first."""
        return None if self._last_frame is None else time.monotonic() - self._last_frame

    def _most(self, group: str) -> int | None:
        """Limit of clients of a group of addresses; None for no limit."""
        limits = self.config.limits
        if limits.per_address is None and group and not is_local(group):
            return max(1, limits.connections // 2)
        return limits.per_address

    def _count(self) -> None:
        self.place.cells[CLIENTS] = len(self.clients)

    async def _beat(self) -> None:
        while True:
            self.tell()
            self.metrics.labels.publish()
            await asyncio.sleep(BEAT_SECONDS)

    async def _run(self) -> None:
        began = -TOGETHER_SECONDS
        while True:
            await self._work.wait()
            if (rest := began + TOGETHER_SECONDS - time.monotonic()) > 0 and not self.closing:
                await asyncio.sleep(rest)
            self._work.clear()
            began, more = time.monotonic(), True
            while more:
                try:
                    more = await self._round()
                except Exception:  # noqa: PERF203  go on, whatever failed
                    log.exception("a step failed: its clients get an error")
                    self._note_failure()
                    for client in [c for c in self.clients if c.due or c.ending]:
                        client.fail("internal", "the server failed: connect again")
                    await asyncio.sleep(0.1)
            if self.closing:
                return

    async def _watch(self) -> None:
        """Detects a step that does not end, and whether steps work again after a failure."""
        step = Lasting(2 * CHECK_SECONDS)
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            busy = self._worker.busy_since
            lasted = step.look(busy)
            stuck = busy is not None and lasted > self.config.limits.stuck_seconds
            if stuck and not self._told_stuck:
                self._told_stuck = True
                log.critical("a step takes longer than any should: the server ends")
                self.on_stuck()
            if self._failing and busy is None and not self.clients:
                with suppress(Exception):
                    await self._worker.call(self._try)
                    self._failing = False

    def _try(self) -> None:
        """Runs in the worker's thread: one hop of a test stream."""
        stream = self.model.stream(16_000)
        self._pool.process({stream: np.zeros(stream.until_frame, np.float32)})

    async def _round(self) -> bool:
        """Steps all due streams once; returns whether there were any."""
        # Runs often, and most of many clients have nothing to do: keep this loop cheap.
        stirring = [c for c in self.clients if c.due_since is not None or c.ending]
        ready = _in_turn([c for c in stirring if c.due])
        ready.sort(key=lambda c: c.due_since or 0.0)
        seconds = max(1, STEP_HOPS // max(1, len(ready))) * self.model.hop
        starts = range(0, len(ready), STEP_STREAMS)
        batches = [ready[start : start + STEP_STREAMS] for start in starts]
        steps = [asyncio.create_task(self._step(batch, seconds)) for batch in batches]
        for step in steps:  # what one made is sent while the next is computed
            for client, (result, came, samples) in (await step).items():
                self._deliver(client, result, came, samples)
        # Who came to its end meanwhile wakes this again.
        for client in [c for c in stirring if c.ending and (c.failed or not c.waiting)]:
            if not client.failed:
                self._finish(client)
            self.leave(client)
        if self.closing:
            return bool(ready)
        return any(client in self.clients and client.due for client in stirring)

    async def _step(
        self, clients: list[Client], seconds: float
    ) -> dict[Client, tuple[Result, float, Samples]]:
        """Steps one batch: of each client the result, when its newest audio came, and the audio."""
        taken = {client: client.take(seconds) for client in clients if client.due}
        if not taken:  # they have failed meanwhile
            return {}
        began = time.monotonic()
        results = await self._results({client: chunk for client, (_, chunk) in taken.items()})
        self.metrics.step_seconds.observe(time.monotonic() - began)
        self.metrics.batch.observe(len(taken))
        return {client: (results[client], *taken[client]) for client in taken}

    async def _results(self, chunks: dict[Client, Samples]) -> dict[Client, Result]:
        """Result of each client's chunk: events, or the exception."""
        before = {client: client.utterances.position for client in chunks}
        try:
            results = await self._worker.call(self._process, chunks)
            self._failing = False
            return results
        except Exception as failure:  # noqa: BLE001  the clients get an error
            if len(chunks) == 1 and isinstance(failure, EdgeserError):
                self._note_failure()
                return dict.fromkeys(chunks, failure)
            log.warning("a step of %d streams failed: %r", len(chunks), failure)
            self._note_failure()
            return {client: await self._alone(client, chunks, before) for client in chunks}

    async def _alone(
        self, client: Client, chunks: dict[Client, Samples], before: dict[Client, float]
    ) -> Result:
        """Steps one client again, alone: a failed step left all streams as they were."""
        if client.utterances.position != before[client]:
            return RuntimeError("the step failed half way")
        try:
            events = (await self._worker.call(self._process, {client: chunks[client]}))[client]
            self._failing = False
            return events
        except Exception as failure:  # noqa: BLE001  the client gets an error
            return failure

    def _deliver(self, client: Client, result: Result, came: float, samples: Samples) -> None:
        if isinstance(result, Exception):
            self._fail(client, result)
            return
        self.metrics.audio_seconds.inc(len(samples) / client.audio.rate)
        try:
            told = client.deliver(result, came)
        except Exception as failure:  # noqa: BLE001  affects this client alone
            self._fail(client, failure)
            return
        self.metrics.told(told)
        if told.frames:
            self._last_frame = time.monotonic()

    def _finish(self, client: Client) -> None:
        try:
            self.metrics.told(client.finish())
        except Exception as failure:  # noqa: BLE001  affects this client alone
            self._fail(client, failure)

    def _fail(self, client: Client, failure: Exception) -> None:
        if isinstance(failure, EdgeserError):
            client.fail("backend", str(failure))
            return
        log.error("a client's stream failed: %r", failure)
        client.fail("internal", "the server failed: connect again")

    def _note_failure(self) -> None:
        self._failing = True
        self.metrics.failures.inc()

    def _process(self, chunks: dict[Client, Samples]) -> dict[Client, Result]:
        """Runs in the worker's thread."""
        heard = self._pool.hear({client.utterances: chunk for client, chunk in chunks.items()})
        return {client: heard[client.utterances] for client in chunks}


def _in_turn(due: list[Client]) -> list[Client]:
    """The clients of the next step: all live ones, and those others that have waited longest."""
    ahead = [client for client in due if client.ahead]
    if len(ahead) <= STEP_HOPS:
        return due
    ahead.sort(key=lambda client: client.due_since or 0.0)
    later = set(ahead[STEP_HOPS:])
    return [client for client in due if client not in later]
