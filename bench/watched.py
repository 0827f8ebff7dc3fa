"""``edgeser serve`` under observation: its processes, and events at it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.crowd import family, resident_mib

RECOVERY_SECONDS = 60.0
"""Time limit for a server to recover."""
GROWTH_MIB, GROWTH_FILES = 8.0, 4
"""Allowed growth of the server without restarts, after a third of the time."""
LOG_BYTES = 100_000
"""Limit of each server's log."""


@dataclass
class Log:
    """Events at one server."""

    ordinary: int = 0
    """Clients that stayed to the end."""
    incomplete: list[str] = field(default_factory=list)
    """What ordinary clients missed."""
    taken_along: int = 0
    """Clients disconnected by a restart."""
    vanished: int = 0
    slow: int = 0
    """Clients that never read and were disconnected."""
    requests: int = 0
    kills: int = 0
    restarts: int = 0
    recovery: list[float] = field(default_factory=list)
    """Seconds until each recovery."""
    exits: list[int] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    growth_mib: float = 0.0
    growth_files: int = 0
    left: int = 0
    """Clients that the server still counted after all had left."""
    log_bytes: int = 0
    tracebacks: int = 0

    def problems(self) -> list[str]:
        """The failed checks."""
        found = {
            f"{len(self.incomplete)} missed something: {self.incomplete[:3]}": self.incomplete,
            "nobody stayed to the end": not self.ordinary,
            "nobody who never reads was cut off": not self.slow,
            f"memory grew by {self.growth_mib:.1f} MiB": self.growth_mib > GROWTH_MIB,
            f"{self.growth_files} more files are open": self.growth_files > GROWTH_FILES,
            f"{self.left} clients are left": self.left,
            f"the log has {self.log_bytes} bytes": self.log_bytes > LOG_BYTES,
            f"the log has {self.tracebacks} tracebacks": self.tracebacks,
            f"a restart took {max(self.recovery, default=0):.0f} s": any(
                seconds > RECOVERY_SECONDS for seconds in self.recovery
            ),
            f"it ended with {self.exits}": any(self.exits),
        }
        return [said for said, wrong in found.items() if wrong]


class Server:
    """``edgeser serve`` at one port, across restarts."""

    def __init__(self, log: Log, output: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log, self.address = log, f"http://127.0.0.1:{port}"
        self.troubled_until = 0.0
        """Time, of ``time.monotonic``, until which clients may be affected by a restart."""
        self._output = output
        self._command = [sys.executable, "-m", "edgeser", "serve", "--port", str(port), *options]
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Starts it, without waiting."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(self._command, stdout=output, stderr=output)

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        assert self.process is not None
        return self.process.pid

    def end(self) -> None:
        """Ends it like a system's shutdown."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.log.exits.append(self.process.wait(10 * RECOVERY_SECONDS))

    def leave_nothing(self) -> None:
        """Makes sure that no process remains."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10 * RECOVERY_SECONDS)
            self.process.kill()

    def ask(self, path: str) -> str | None:
        """Its answer; None if it reports a problem or does not answer."""
        url = self.address + path
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  ours
            content: bytes = answer.read()
            return content.decode()
        return None

    @property
    def well(self) -> bool:
        """Whether all of it serves."""
        told = self.ask("/healthz")
        return told is not None and json.loads(told)["status"] == "ok"

    def memory_and_files(self) -> tuple[float, int]:
        """MiB, and open files, of all its processes."""
        pids = family(self.pid)
        return resident_mib(pids), sum(len([*Path(f"/proc/{pid}/fd").iterdir()]) for pid in pids)

    async def until_well(self) -> float:
        """Waits until it serves; returns the seconds."""
        began = time.monotonic()
        while not await asyncio.to_thread(lambda: self.well):
            if self.process is not None and self.process.poll() is not None:
                raise SystemExit(f"{self.address} ended: {self._output.read_text()}")
            await asyncio.sleep(0.1)
        return time.monotonic() - began
