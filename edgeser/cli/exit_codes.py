"""The exit codes of all commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """A number with what ``--help`` says of it."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    OK = 0, "all is well"
    FAILED = 1, "something failed: standard error has a line for each thing"
    USAGE = 2, "the command line makes no sense"
    LATE = 3, "bench: frames came too late"
    INTERRUPTED = 130, "Ctrl-C, where that is not how the command ends anyway"


SUMMARY = "Exit codes: " + "; ".join(f"{code.value} {code.meaning}" for code in ExitCode) + "."
"""For ``--help``."""
