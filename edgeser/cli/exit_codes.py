"""The exit codes of all commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """A number and its meaning, for ``--help``."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    OK = 0, "success"
    FAILED = 1, "failure: standard error has one line for each problem"
    USAGE = 2, "invalid command line"
    LATE = 3, "bench: frames were too late"
    INTERRUPTED = 130, "interrupted by Ctrl-C (listen and serve: 0, it is how they end)"


SUMMARY = "Exit codes: " + "; ".join(f"{code.value} {code.meaning}" for code in ExitCode) + "."
"""For ``--help``."""
