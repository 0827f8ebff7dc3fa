"""The process around a stream: exit, signals, sub-interpreters."""

from __future__ import annotations

import gc
import importlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import pytest

import edgeser
from tests.sounds import push, speech_like

_DAEMONS = """
import sys, threading, time
import numpy as np
import edgeser

class Detector:
    sample_rate, threshold = 16_000, 0.5
    def reset(self): pass
    def score(self, hop): return float(min(1.0, abs(hop).sum()))

model = edgeser.load(sys.argv[1])
sound = np.random.default_rng(0).standard_normal(32_000).astype("f4") * np.float32(0.1)

def listen(detector):
    stream = model.stream(16_000, detector=detector)
    while True:
        stream.process(sound)
        stream.flush()

def judge():
    while True:
        model.analyze(sound, 16_000)

for task in ((listen, None), (listen, Detector()), (judge,), (listen, None)):
    threading.Thread(target=task[0], args=task[1:], daemon=True).start()
time.sleep(0.3)
"""


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_program_ends_while_daemon_threads_are_within(toy_path: Path) -> None:
    for _ in range(3):
        ended = _run(_DAEMONS, toy_path)
        assert (ended.returncode, ended.stderr) == (0, "")


class _Rang(BaseException):
    pass


def _ring(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise _Rang


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
@pytest.mark.parametrize("kind", ["stream", "pool", "utterances"])
def test_a_signal_that_raises_leaves_a_stream_that_goes_on(model: edgeser.Model, kind: str) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    sound = speech_like(0.05)
    utterances = edgeser.Utterances(model, 16_000)
    stream, pool = model.stream(16_000), model.pool()

    def hear() -> None:
        if kind == "pool":
            pool.process({stream: sound})
        elif kind == "utterances":
            utterances.process(sound)
        else:
            stream.process(sound)

    rung, heard, before = 0, 0, signal.signal(signal.SIGALRM, _ring)
    gc.disable()  # Hypothesis has a callback there, and what is raised in one goes nowhere
    try:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + (heard % 97) * 4e-6)
                hear()
                heard += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
            except _Rang:
                rung += 1
                heard += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            # Nobody is within, whoever was interrupted where.
            utterances.new_speaker()
            assert len(stream.state()) > 0
    except _Rang:  # between two lines of this test
        pass
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert rung > 10
    utterances.flush()
    stream.reset()
    later = speech_like(1.0)
    assert push(stream, later, 500) == push(model.stream(16_000), later, 500)


_WITHIN = """
try:
    import edgeser
except ImportError as error:
    assert "sub-interpreter" in str(error), error
else:
    raise AssertionError("it was imported")
"""

_OUTSIDE = """
import importlib, sys
name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
interpreters = importlib.import_module(name)
if sys.argv[2] == "after":
    import edgeser
    edgeser.load()
failed = interpreters.run_string(interpreters.create(), sys.argv[1])
assert not failed, failed
print("done")
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sub_interpreter_is_told(when: str) -> None:
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    try:
        importlib.import_module(name)
    except ImportError:
        pytest.skip("this Python has no sub-interpreters")
    ended = _run(_OUTSIDE, _WITHIN, when)
    assert ended.stdout == "done\n", ended.stderr
