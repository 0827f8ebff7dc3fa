"""Several processes behind one port: who begins them, begins them again, and ends them.

All accept from one socket that this process bound, so none of those who wait to be let in is lost
with a worker. What they know of each other is on the board. This process serves nobody.
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
from edgeser.serve.board import Board, Place, State
from edgeser.serve.channel import Lines, Order, send_order
from edgeser.serve.config import GOODBYE_SECONDS, ServeConfig
from edgeser.serve.lasting import Lasting
from edgeser.serve.metrics import Metrics
from edgeser.serve.signals import Signals

LOOK_SECONDS, LATE_LOOK_SECONDS = 0.2, 1.0
"""Between two looks at the workers; one that comes later still was kept from looking itself."""
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
"""Seconds until a worker that ended is begun again; twice as long each time that it soon ends."""
IN_NO_FOLDER = (
    "import sys; del sys.path[0]; from edgeser.serve.member import main; "
    "raise SystemExit(main(int(sys.argv[1])))"
)
MEMBER = ("-m", "edgeser.serve.member") if sys.version_info >= (3, 11) else ("-c", IN_NO_FOLDER)
"""What Python is told: PYTHONSAFEPATH is not known before 3.11."""
SETTLED_SECONDS = 60.0
"""A worker that served for so long ended by accident."""
ENDING_SECONDS = 2 * GOODBYE_SECONDS + 2
"""Workers are given to say goodbye; then they are killed."""
KILLED_SECONDS = 2.0
"""After which a worker that was killed is waited for no more: it is within the kernel, as one that
waits for a device or for a disk that is gone, and ends when that lets it go."""
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Member:
    """One worker."""

    row: int
    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    lines: Lines = field(default_factory=Lines)
    serving_since: float | None = None
    silence: Lasting = field(default_factory=lambda: Lasting(LATE_LOOK_SECONDS))
    again_at: float = 0.0
    wait: float = FIRST_WAIT
    problem: EdgeserError | None = None
    """What it said that it ended of."""


def supervise(
    config: ServeConfig,
    bound: socket.socket,
    on_listening: Callable[[int], object],
    progress: Callable[[float], object] | None,
    signals: Signals,
) -> None:
    """Serve at the socket until a signal says to end; raises as ``edgeser.serve.server.run``."""
    if not sys.platform.startswith("linux"):
        raise ServeError(
            "several workers need Linux: give --workers 1, or start several servers, each at a "
            "port of its own, behind a proxy"
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
        """Begin all; first one alone, which compiles what the others then find.

        Raises what a worker raised that could not begin.
        """
        for group in (self._members[:1], self._members[1:]):
            for member in group:
                self._start(member)
            while not self.should_exit and not all(member.serving_since for member in group):
                self._listen()
                for member in group:
                    if member.process is None:
                        raise member.problem or ServeError(
                            "a worker ended before it served: its log says why"
                        )
        self._begun = True

    def watch(self) -> None:
        """Begin again who ends, until all should."""
        while not self.should_exit:
            self._listen()
            now = time.monotonic()
            for member in self._members:
                if member.process is None and now >= member.again_at:
                    self._start_again(member)
                elif member.serving_since is not None and self._hangs(member):
                    log.error("worker %d answers nobody: it is ended", member.row + 1)
                    self._kill(member)

    def end(self) -> None:
        """Let all say goodbye; whoever takes too long is killed. Nobody is left behind."""
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
            self._signal(member, signal.SIGKILL)  # all at once: each may be waited for
        for member in self._members:
            self._kill(member)
            self._forget(member)
        self._selector.close()

    def _start_again(self, member: Member) -> None:
        """Or later: a machine that is short of memory must not lose the workers that it has."""
        try:
            self._start(member)
        except OSError as error:
            member.wait = min(2 * member.wait, LONGEST_WAIT)
            member.again_at = time.monotonic() + member.wait
            log.error("worker %d cannot be begun again: %s", member.row + 1, error)

    def _start(self, member: Member) -> None:
        ours, theirs = socket.socketpair()
        board, listening = self._board.handle or 0, self._bound.fileno()
        # It finds what this process does, and nothing else in the folder that it happens to be in.
        found = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        try:
            with theirs:
                process = subprocess.Popen(  # noqa: S603  this interpreter
                    [sys.executable, *MEMBER, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), board, listening),
                    start_new_session=True,  # Ctrl-C is for the supervisor, which tells it
                    env={  # a thread for each core, in a process for each core, would be too many
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
            pass  # it is gone already: the channel says so next

    def _listen(self) -> None:
        """To what workers say, for a moment."""
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
        if "serving" in said:
            member.serving_since = time.monotonic()
        elif "error" in said:
            kind = getattr(edgeser.errors, str(said["error"]), ServeError)
            member.problem = kind(str(said["message"]))
        elif self._progress is not None and member.serving_since is None:
            self._progress(float(str(said["progress"])))

    def _ended(self, member: Member) -> None:
        """A worker is gone: its clients are forgotten, and it is begun again soon."""
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
        fellow = self._board.fellow(member.row)
        silent = member.silence.look((member.serving_since, fellow.said_at))
        return fellow.state != State.starting and silent > self._config.limits.stuck_seconds

    def _kill(self, member: Member, patience: float = 0.0) -> int | None:
        """End a worker that does not end by itself; its exit status, None if it has none yet."""
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
    """How a process ended, in words."""
    if status is None:
        return "not for the system yet"
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
