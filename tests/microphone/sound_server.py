"""A private PulseAudio server: a null sink, and a microphone that records from it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVER = """
load-module module-native-protocol-unix
"""
# Whatever the machine's own settings say of ALSA's default, after its hooks have run.
_ALSA = """
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


class SoundServer:
    """Commands to the server; ``environment`` makes other programs use it."""

    def __init__(self, environment: dict[str, str], process: subprocess.Popen[bytes]) -> None:
        self.environment = environment
        self._process = process
        self._modules: list[str] = []

    def plug_in(self) -> None:
        """Connect speaker and microphone."""
        remap = ("module-remap-source", "master=speaker.monitor", "source_name=microphone")
        for module in (("module-null-sink", "sink_name=speaker"), remap):
            self._modules.append(self._control("load-module", *module).strip())
        self._control("set-default-source", "microphone")

    def unplug(self) -> None:
        """Take both away: to any source that remains, the server would move who listens."""
        while self._modules:
            self._control("unload-module", self._modules.pop())

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Meanwhile it answers nobody."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def play(self, path: Path) -> None:
        """Play a recording to its end, next to the microphone."""
        subprocess.run(
            ["paplay", "--latency-msec=50", path], check=True, timeout=60, env=self.environment
        )

    def recording(self) -> list[str]:
        """The programs that record from it; its own modules, which have no client, do too."""
        listed = self._control("list", "short", "source-outputs").splitlines()
        return [line for line in listed if line.split("\t")[2] != "-"]

    def is_up(self) -> bool:
        """Whether it answers."""
        asked = ["pactl", "info"]
        done = subprocess.run(asked, capture_output=True, check=False, env=self.environment)
        return done.returncode == 0

    def _control(self, *command: str) -> str:
        return subprocess.run(
            ["pactl", *command],
            check=True,
            capture_output=True,
            text=True,
            timeout=20,
            env=self.environment,
        ).stdout


@contextmanager
def sound_server() -> Iterator[SoundServer]:
    """Runs a server in its own folder, with the microphone plugged in, and ends it afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)  # short: a socket's path has at most 107 characters
        (folder / "server.pa").write_text(_SERVER)
        (folder / "asound.conf").write_text(_ALSA)
        own = ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PULSE_")},
            **dict.fromkeys(own, name),
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "PULSE_LATENCY_MSEC": "50",
            "PULSE_SOURCE": "microphone",  # by its name: if it is away, nothing takes its place
        }
        flags = "--daemonize=no --exit-idle-time=-1 --use-pid-file=no --disable-shm --realtime=no"
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                ["pulseaudio", "-n", "-F", folder / "server.pa", *flags.split()],
                env=environment,
                stderr=log,
                stdout=log,
            )
        try:
            server = SoundServer(environment, process)
            end = time.monotonic() + 20
            while not server.is_up():
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text())
                time.sleep(0.1)
            server.plug_in()
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
