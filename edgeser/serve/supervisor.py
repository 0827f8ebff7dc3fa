"""The supervisor of several worker processes behind one port: starts, restarts and ends them.

All workers accept from one socket, which this process bound, so connections in its queue survive a
worker's death. Workers share state through the board. The supervisor itself serves no clients.
"""

from __future__ import annotations

import logging
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import edgeser.errors
from edgeser.errors import EdgeserError, ServeError
from edgeser.serve.board import Board, Place
from edgeser.serve.channel import Lines, Order, send_order
from edgeser.serve.config import GOODBYE_SECONDS, ServeConfig
from edgeser.serve.lasting import Lasting
from edgeser.serve.metrics import Metrics
from edgeser.serve.signals import Signals

LOOK_SECONDS, LATE_LOOK_SECONDS = 0.2, 1.0
"""Interval of checks; if a check is later than the second value, this process was stopped
itself."""
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
"""Delay before a worker is restarted; doubled each time that it fails soon after its start."""
IN_NO_FOLDER = (
    "import sys; del sys.path[0]; from edgeser.serve.member import main; "
    "raise SystemExit(main(int(sys.argv[1])))"
)
MEMBER = ("-m", "edgeser.serve.member") if sys.version_info >= (3, 11) else ("-c", IN_NO_FOLDER)
"""Arguments of Python: PYTHONSAFEPATH does not exist before 3.11."""
SETTLED_SECONDS = 60.0
"""A worker that ran this long is restarted without delay."""
ENDING_SECONDS = 2 * GOODBYE_SECONDS + 2
"""Time in which workers may close their clients; then they are killed."""
KILLED_SECONDS = 2.0
"""After this a killed worker is not waited for: it is blocked in the kernel, for example by a
device or a lost disk, and ends later."""
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Member:
    """One worker process."""

    row: int
    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    lines: Lines = field(default_factory=Lines)
    serving_since: float | None = None
    heard: int = 0
    """Messages of all processes in this place: a sign of life while one starts."""
    silence: Lasting = field(default_factory=lambda: Lasting(LATE_LOOK_SECONDS))
    again_at: float = 0.0
    wait: float = FIRST_WAIT
    problem: EdgeserError | None = None
    """The error that ended it, if it reported one."""


def supervise(
    config: ServeConfig,
    bound: socket.socket,
    on_listening: Callable[[int], object],
    progress: Callable[[float], object] | None,
    signals: Signals,
) -> None:
    """Serves at the socket until a signal; raises the same as ``edgeser.serve.server.run``."""
    if not sys.platform.startswith("linux"):
        raise ServeError(
            "several workers need Linux: give --workers 1, or start several servers on different "
            "ports, behind a proxy"
        )
    supervisor = Supervisor(config, bound, progress)
    signals.server = supervisor
    try:
        supervisor.begin()
        if not supervisor.should_exit:
            on_listening(bound.getsockname()[1])
        supervisor.watch()
    finally:
        supervisor.end()


class Supervisor:
    """The workers of one server. Threads: the one that made it; signals may set the two flags."""

    def __init__(
        self,
        config: ServeConfig,
        bound: socket.socket,
        progress: Callable[[float], object] | None,
    ) -> None:
        self.should_exit = self.force_exit = False
        self._begun = False
        self._config, self._bound, self._progress = config, bound, progress
        self._board = Board.shared(config.workers, config.limits.connections)
        self._restarts = [Metrics(Place(self._board, n)).restarts for n in range(config.workers)]
        self._members = [Member(row) for row in range(config.workers)]
        self._selector = selectors.DefaultSelector()

    def begin(self) -> None:
        """Starts all workers; the first one alone, since it fills caches that the others use.

        Raises the error of a worker that could not start.
        """
        for group in (self._members[:1], self._members[1:]):
            for member in group:
                if self.should_exit:
                    return
                self._start(member)
            while not self.should_exit and not all(member.serving_since for member in group):
                self._listen()
                for member in group:
                    # A service manager may tell a worker to end before this process hears of it.
                    if member.process is None and not self.should_exit:
                        raise member.problem or ServeError(
                            "a worker ended before it served: its log says why"
                        )
        self._begun = True

    def watch(self) -> None:
        """Restarts workers that end, until the server ends."""
        while not self.should_exit:
            self._listen()
            now = time.monotonic()
            for member in self._members:
                if member.process is None and now >= member.again_at:
                    self._start_again(member)
                elif member.process is not None and self._hangs(member):
                    serves = member.serving_since is not None
                    what = "answers nobody" if serves else "does not start"
                    log.error("worker %d %s: it is ended", member.row + 1, what)
                    self._kill(member)

    def end(self) -> None:
        """Ends all workers: gracefully, then by force. No process is left behind."""
        self._bound.close()
        until, forced = time.monotonic() + ENDING_SECONDS, False
        alive = [member for member in self._members if member.process is not None]
        for member in alive:
            self._signal(member, signal.SIGTERM)
        while alive and time.monotonic() < until:
            if self.force_exit and not forced:
                forced = True
                for member in alive:
                    self._signal(member, signal.SIGTERM)
            alive = [m for m in alive if m.process is not None and m.process.poll() is None]
            time.sleep(0.02)
        for member in self._members:
            self._signal(member, signal.SIGKILL)  # all at once: each may take a while
        for member in self._members:
            self._kill(member)
            self._forget(member)
        self._selector.close()

    def _start_again(self, member: Member) -> None:
        """Starts a worker, or retries later: out of memory must not end the workers that run."""
        try:
            self._start(member)
        except OSError as error:
            member.wait = min(2 * member.wait, LONGEST_WAIT)
            member.again_at = time.monotonic() + member.wait
            log.error("worker %d cannot be begun again: %s", member.row + 1, error)

    def _start(self, member: Member) -> None:
        ours, theirs = socket.socketpair()
        board, listening = self._board.handle or 0, self._bound.fileno()
        # The worker imports what this process imports, and nothing else from the current folder.
        found = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        try:
            with theirs:
                process = subprocess.Popen(  # noqa: S603  this interpreter
                    [sys.executable, *MEMBER, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), board, listening),
                    start_new_session=True,  # Ctrl-C is for the supervisor, which tells it
                    env={  # not one thread per core in every process
                        "OMP_NUM_THREADS": "1",
                        **os.environ,
                        "PYTHONSAFEPATH": "1",
                        "PYTHONPATH": found,
                    },
                )
        except OSError:
            ours.close()
            raise
        member.process, member.channel, member.problem = process, ours, None
        member.lines, member.serving_since = Lines(), None
        self._selector.register(ours, selectors.EVENT_READ, member)
        verbose = log.isEnabledFor(logging.DEBUG)
        try:
            send_order(ours, Order(self._config, verbose, member.row, board, listening))
        except (pickle.PicklingError, AttributeError, TypeError) as problem:
            raise ServeError(
                f"the configuration cannot be handed to workers ({problem}): give a detector "
                "that can be imported, or one worker"
            ) from None
        except OSError:
            pass  # it has ended already; the channel reports that next

    def _listen(self) -> None:
        """Reads the workers' messages, for a moment."""
        for key, _ in self._selector.select(LOOK_SECONDS):
            member: Member = key.data
            try:
                data = cast(socket.socket, key.fileobj).recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                self._ended(member)
                continue
            for said in member.lines.of(data):
                self._hear(member, said)

    def _hear(self, member: Member, said: dict[str, object]) -> None:
        member.heard += 1
        if "serving" in said:
            member.serving_since = time.monotonic()
        elif "error" in said:
            kind = getattr(edgeser.errors, str(said["error"]), ServeError)
            member.problem = kind(str(said["message"]))
        elif self._progress is not None and member.serving_since is None:
            self._progress(float(str(said["progress"])))

    def _ended(self, member: Member) -> None:
        """Handles the end of a worker: forgets its clients, and schedules its restart."""
        since, status = member.serving_since, self._kill(member, patience=1.0)
        self._forget(member)
        settled = since is not None and time.monotonic() - since > SETTLED_SECONDS
        member.wait = FIRST_WAIT if settled else min(LONGEST_WAIT, 2 * member.wait)
        member.again_at = time.monotonic() + member.wait
        if not self.should_exit and (self._begun or since is not None):
            self._restarts[member.row].inc()
            why = member.problem or _ending(status)
            log.warning("worker %d ended (%s): it is begun again", member.row + 1, why)

    def _forget(self, member: Member) -> None:
        if member.channel is not None:
            self._selector.unregister(member.channel)
            member.channel.close()
        member.process = member.channel = member.serving_since = None
        self._board.vacate(member.row)

    def _hangs(self, member: Member) -> bool:
        said_at = self._board.fellow(member.row).said_at
        signs = (member.process and member.process.pid, member.heard, said_at)
        return member.silence.look(signs) > self._config.limits.stuck_seconds

    def _kill(self, member: Member, patience: float = 0.0) -> int | None:
        """Kills a worker that does not end by itself; its exit status, None if it still runs."""
        process = member.process
        if process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            return process.wait(patience)
        process.kill()
        try:
            return process.wait(KILLED_SECONDS)
        except subprocess.TimeoutExpired:
            log.error(
                "worker %d (process %d) was killed and does not end: it is left behind",
                member.row + 1,
                process.pid,
            )
            return None

    def _signal(self, member: Member, number: int) -> None:
        if member.process is not None:
            member.process.send_signal(number)


def _ending(status: int | None) -> str:
    """Describes the end of a process."""
    if status is None:
        return "not for the system yet"
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
