"""A fake microphone for the documentation's programs: plays the bundled sample fast, then Ctrl-C.

``python -m tests.docs.stand_in PROGRAM`` runs a program with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import edgeser
from edgeser.microphone import Device
from edgeser.microphone import microphone as module

SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"
PACE = 20.0


class Voice:
    """An open device: the part of the sample that has been played by now."""

    def __init__(self, rate: int, channels: int) -> None:
        samples, own = soundfile.read(SAMPLE, dtype="int16")
        take = np.arange(0, len(samples), own / rate).astype(int)  # any resampling will do here
        self._samples = samples[take][:, None].repeat(channels, axis=1)
        self._rate, self._began, self._at = rate, time.monotonic(), 0
        self._over = False

    def read(self) -> npt.NDArray[np.int16]:
        until = int(PACE * self._rate * (time.monotonic() - self._began))
        part: npt.NDArray[np.int16] = self._samples[self._at : until]
        self._at += len(part)
        if self._at == len(self._samples) and not self._over:
            self._over = True
            threading.Timer(0.5, interrupt).start()  # time to hear the rest
        return part

    def close(self) -> None:
        pass


class StandIn:
    """A sound library with one microphone."""

    def devices(self) -> list[Device]:
        return [Device("headset", 0, channels=1, rate=22_050, default=True)]

    def open(self, device: Device, rate: int, channels: int) -> Voice:
        del device
        return Voice(rate, channels)


def interrupt() -> None:
    """As if the user pressed Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    module.PortAudio = StandIn  # type: ignore[assignment,misc]
    exec(compile(sys.argv[1], "the documentation", "exec"), {"__name__": "__main__"})
