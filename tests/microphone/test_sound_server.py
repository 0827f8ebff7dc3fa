"""The whole chain: audio played into a sound server, analysed by ``edgeser listen``."""

from __future__ import annotations

import json
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import soundfile

import edgeser
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.demo import SAMPLE
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
    """``edgeser listen --json`` in a subprocess, and its output."""

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

    def interrupt(self) -> None:
        """Press Ctrl-C; it says goodbye and leaves no device open."""
        self.process.send_signal(signal.SIGINT)
        self.until("end")
        assert self.process.wait(10) == 0

    def errors(self) -> str:
        """All of standard error, after the end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def all(self, what: str) -> list[dict[str, Any]]:
        return [said[what] for said in self.said if what in said]

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


class Terminal:
    """``edgeser`` in a terminal of 80 by 24, and its screen content."""

    def __init__(self, tmux: str, server: SoundServer, *arguments: object) -> None:
        self._tmux = [tmux, "-L", f"edgeser-{os.getpid()}", "-f", "/dev/null"]
        command = shlex.join([sys.executable, "-m", "edgeser", *map(str, arguments)])
        self._do("new-session", "-d", "-x", "80", "-y", "24", f"{command}; sleep 60", server=server)

    def until(self, text: str) -> str:
        """The screen, as soon as it shows this."""
        end = time.monotonic() + 30
        while text not in (screen := self._do("capture-pane", "-p")):
            assert time.monotonic() < end, screen
            time.sleep(0.1)
        return screen

    def resize(self, columns: int, lines: int) -> None:
        self._do("resize-window", "-x", str(columns), "-y", str(lines))
        time.sleep(0.5)

    def press(self, key: str) -> None:
        self._do("send-keys", key)

    def _do(self, *command: str, server: SoundServer | None = None) -> str:
        return subprocess.run(
            [*self._tmux, *command],
            check=True,
            capture_output=True,
            text=True,
            env={**server.environment, "COLUMNS": "80", "LINES": "24"} if server else None,
        ).stdout

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._do("kill-server")


def test_what_is_played_is_heard_as_if_it_were_the_file(server: SoundServer) -> None:
    if not DEFAULT_BUNDLE.is_file():
        pytest.skip(f"{DEFAULT_BUNDLE.name} is not there")
    sound, rate = soundfile.read(SAMPLE, dtype="float32")
    utterances = edgeser.Utterances(edgeser.load(), rate)
    events = [*utterances.process(sound), *utterances.flush()]
    of_the_file = [event for event in events if isinstance(event, edgeser.Utterance)]
    with Listening(server) as listening:
        listening.until("frame", count=4)
        server.play(SAMPLE)
        listening.until("frame", count=16)
        assert len(server.recording()) == 1
        listening.interrupt()
        assert server.recording() == []
        assert listening.errors() == ""  # ALSA and JACK, who miss many devices here, are hushed
    heard = listening.all("utterance")
    # Between the two lie a resampling, silence before and after, and a few ms of jitter: what is
    # barely speech may be an utterance more or less, but the same is said when somebody speaks.
    delay = heard[0]["start"] - of_the_file[0].start
    overlap = sum(
        max(0.0, min(u["end"] - delay, v.end) - max(u["start"] - delay, v.start))
        for u in heard
        for v in of_the_file
    )
    assert overlap > 0.6 * sum(u.end - u.start for u in of_the_file)
    labels = [{u["verdict"]["label"] for u in heard}, {u.label for u in of_the_file}]
    assert labels[0] & labels[1]


def test_a_terminal_is_given_back_as_it_was(server: SoundServer, toy_path: Path) -> None:
    """The view in a real terminal (tmux): drawn, resized, closed."""
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("tmux is not installed")
    with Terminal(tmux, server, "listen", "-m", toy_path) as terminal:
        terminal.until("Ctrl-C ends it")
        terminal.until("happiness")  # a row of the timeline
        server.play(SAMPLE)
        terminal.resize(30, 8)
        narrow = terminal.until("dB")
        assert "happiness" not in narrow
        assert max(map(len, narrow.splitlines())) <= 30
        terminal.resize(90, 24)
        server.unplug()
        terminal.until("looking for it")
        server.plug_in()
        terminal.until("is back")
        terminal.press("C-c")
        left = terminal.until("utterance")
        assert "Ctrl-C ends it" not in left
        assert "Traceback" not in left


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
    times = [frame["time"] for frame in listening.all("frame")]
    assert [round(time / 0.128) for time in times] == list(range(1, len(times) + 1))
    assert times[-1] > gap["time"] + gap["seconds"]


def test_a_sound_server_that_stands_still(server: SoundServer, toy_path: Path) -> None:
    """It is told at once, although the device cannot even be closed before the server goes on."""
    with Listening(server, "--model", toy_path) as listening:
        listening.until("frame", count=8)
        with server.standing_still():
            listening.until("event", kind="lost")
        listening.until("event", kind="found")
        listening.until("event", kind="gap", cause="lost device")
        listening.until("frame", count=48)
        listening.interrupt()


def test_a_terminal_is_resized_while_the_sound_server_stands_still(
    server: SoundServer, toy_path: Path
) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("tmux is not installed")
    with Terminal(tmux, server, "listen", "-m", toy_path) as terminal:
        terminal.until("default")  # the microphone is open
        with server.standing_still():
            terminal.resize(30, 8)
            terminal.until("has deliv")
            terminal.resize(90, 24)
            terminal.until("looking for it")
        terminal.until("is back")
        terminal.press("C-c")
        assert "Traceback" not in terminal.until("utterance")


def test_a_time_ends_also_while_the_microphone_is_lost(server: SoundServer, toy_path: Path) -> None:
    with Listening(server, "--model", toy_path, "--seconds", 8) as listening:
        listening.until("frame")
        server.unplug()
        listening.until("event", kind="lost")
        said = listening.until("end")
        assert listening.process.wait(10) == 0
    assert said["seconds"] < 8


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
