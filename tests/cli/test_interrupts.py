"""Ctrl-C while a command is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeser.cli.exit_codes import ExitCode
from edgeser.interrupts import INTERRUPTED, ends_at_once

PROGRAM = """
import runpy, signal, sys, weakref

def interrupt(dropped):
    if not dropped:
        signal.raise_signal(signal.SIGINT)
        return
    class Thing: ...
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            interrupt(dropped == "dropped")

module, dropped, *arguments = sys.argv[1:]
sys.meta_path.insert(0, Finder())
sys.argv = ["edgeser", *arguments]
runpy.run_module("edgeser", run_name="__main__")
"""


def run(*arguments: str, ignored: bool = False) -> tuple[int, str, str]:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=ignore if os.name == "posix" else None,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("dropped", ["raised", "dropped"])
@pytest.mark.parametrize(
    ("module", "arguments"),
    [("edgeser.cli.demo", ["--version"]), ("uvicorn", ["serve", "--port", "0"])],
)
def test_an_interrupted_import_ends_the_command_without_a_word(
    module: str, arguments: list[str], dropped: str
) -> None:
    if module == "uvicorn":
        pytest.importorskip("uvicorn")
    assert run(module, dropped, *arguments) == (ExitCode.INTERRUPTED, "", "")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs nohup")
def test_an_interrupt_that_is_ignored_stays_so() -> None:
    code, said, _ = run("edgeser.cli.demo", "raised", "--version", ignored=True)
    assert (code, said.split()[0]) == (0, "edgeser")


def test_a_handler_is_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with ends_at_once():
            signal.raise_signal(signal.SIGINT)
        assert heard == [signal.SIGINT]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(ZeroDivisionError), ends_at_once():
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert INTERRUPTED == ExitCode.INTERRUPTED


@pytest.mark.checkout
def test_the_command_is_the_package_as_a_program() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    file = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"edgeser": "edgeser.__main__:main"}
