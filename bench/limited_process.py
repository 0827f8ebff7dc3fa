"""Programs with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path


class LimitedProcess:
    """A process in its own session; its output goes to a file, so that it never blocks."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when finished
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def finish(self, limit: float) -> tuple[str | None, str]:
        """Why it failed (None if it did not), and its output.

        Ends it, with all its children, if its time is over.
        """
        failed = None
        with self._said:
            try:
                self._process.wait(limit)
            except subprocess.TimeoutExpired:
                failed = f"not done within {limit:.0f} s"
            finally:
                self.end()
            self._said.seek(0)
            said = self._said.read()
        code = self._process.returncode
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if code and failed is None:
            failed = lines[-1][:300] if lines else f"ended with {code}"
        return failed, said

    def end(self) -> None:
        """Ends it with all its children, unless it has ended."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
