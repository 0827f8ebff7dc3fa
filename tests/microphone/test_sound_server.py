"""The whole chain for real: played into a sound server, heard by ``edgeser listen``."""

from __future__ import annotations

import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import edgeser
from edgeser.cli.demo import SAMPLE
from edgeser.loading import DEFAULT_BUNDLE
from tests.microphone.sound_server import SoundServer, sound_server

_PLUGINS = ("/usr/lib", "/usr/lib64")
_NEEDED = {
    "pulseaudio": shutil.which("pulseaudio"),
    "paplay and pactl": shutil.which("paplay") and shutil.which("pactl"),
    "PyAudio": find_spec("pyaudio"),
    "ALSA's plugin for PulseAudio": any(
        any(Path(folder).glob(f"{depth}alsa-lib/libasound_module_pcm_pulse.so"))
        for folder in _PLUGINS
        for depth in ("", "*/")
    ),
}
_MISSING = [name for name, there in _NEEDED.items() if not there]
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")


@pytest.fixture
def server() -> Iterator[SoundServer]:
    with sound_server() as server:
        yield server


class Listening:
    """``edgeser listen --json`` in a process of its own, and what it says."""

    def __init__(self, server: SoundServer, *options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edgeser", "listen", "--json", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=server.environment,
        )
        self.said: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, what: str, *, count: int = 1, **values: str) -> dict[str, Any]:
        """Read on until it has said ``count`` more things of this kind; return the last."""
        while count:
            line = self._lines.get(timeout=60)
            assert line, self.process.stderr.read() if self.process.stderr else ""
            self.said.append(json.loads(line))
            found = self.said[-1].get(what)
            if found is not None and all(
                found.get(name) == value for name, value in values.items()
            ):
                count -= 1
        return dict(self.said[-1][what])

    def interrupt(self) -> dict[str, Any]:
        """Press Ctrl-C; return the verdict."""
        self.process.send_signal(signal.SIGINT)
        verdict = self.until("verdict")
        assert self.process.wait(10) == 0
        return verdict

    def errors(self) -> str:
        """All of standard error, after the end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def frames(self) -> list[dict[str, Any]]:
        return [said["frame"] for said in self.said if "frame" in said]

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")


def test_what_is_played_is_heard_as_if_it_were_the_file(server: SoundServer) -> None:
    if not DEFAULT_BUNDLE.is_file():
        pytest.skip(f"{DEFAULT_BUNDLE.name} is not there")
    of_the_file = edgeser.load().analyze(SAMPLE).verdict
    with Listening(server) as listening:
        listening.until("frame", count=4)
        server.play(SAMPLE)
        listening.until("frame", count=8)
        verdict = listening.interrupt()
        assert listening.errors() == ""  # ALSA and JACK, who miss many devices here, are hushed
    # Between the two lie a resampling, silence before and after, and a few ms of jitter.
    assert verdict["speech_seconds"] == pytest.approx(of_the_file.speech_seconds, rel=0.35)
    apart = [
        abs(verdict["probabilities"][label] - share)
        for label, share in of_the_file.probabilities.items()
    ]
    assert verdict["label"] == of_the_file.label or sum(apart) / 2 < 0.2


def test_unplugged_and_plugged_in_again(server: SoundServer, toy_path: Path) -> None:
    with Listening(server, "--model", toy_path) as listening:
        listening.until("frame", count=8)
        server.unplug()
        lost = listening.until("event", kind="lost")
        server.plug_in()
        listening.until("event", kind="found")
        gap = listening.until("event", kind="gap", cause="lost device")
        listening.until("frame", count=48)  # those of the silence, then of new sound
        listening.interrupt()
    assert gap["time"] == pytest.approx(lost["time"], abs=0.01)
    times = [frame["time"] for frame in listening.frames()]
    assert [round(time / 0.128) for time in times] == list(range(1, len(times) + 1))
    assert times[-1] > gap["time"] + gap["seconds"]


def test_microphones_are_listed(server: SoundServer) -> None:
    command = [sys.executable, "-m", "edgeser", "listen", "--list"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=server.environment
    )
    assert any(line.startswith("*") and "default" in line for line in done.stdout.splitlines())
    assert done.stderr == ""


def test_a_microphone_that_is_not_there_is_one_line(server: SoundServer, toy_path: Path) -> None:
    command = [sys.executable, "-m", "edgeser", "listen", "-m", str(toy_path), "--device", "nope"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=server.environment
    )
    assert done.returncode == 1
    assert done.stderr.startswith("edgeser: no microphone is called 'nope'")
    assert done.stderr.count("\n") == 1
