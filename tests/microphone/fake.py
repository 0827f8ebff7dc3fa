"""A scripted sound library and a stopped clock: no hardware, no waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeser.errors import MicrophoneError
from edgeser.microphone.device import Device

Samples: TypeAlias = npt.NDArray[np.int16]
MIC = Device("USB Microphone", 3, channels=2, rate=48_000, default=True)
ARRAY = Device("Room Array", 5, channels=6, rate=16_000)
SERVER = Device("pulse", 7, channels=32, rate=44_100)


class FakeClock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeSource:
    """Returns one scripted entry for each read: samples, or an exception to raise."""

    def __init__(self, script: deque[Samples | Exception], channels: int) -> None:
        self._script = script
        self._channels = channels
        self.closed = 0

    def read(self) -> Samples:
        assert not self.closed
        if not self._script:
            return np.zeros((0, self._channels), np.int16)
        what = self._script.popleft()
        if isinstance(what, Exception):
            raise what
        return what

    def close(self) -> None:
        self.closed += 1


class FakeBackend:
    """Devices that can be unplugged; every opening is recorded."""

    def __init__(self, *devices: Device, script: Iterable[Samples | Exception] = ()) -> None:
        self.there = list(devices or (MIC,))
        self.script = deque(script)
        self.sources: list[FakeSource] = []
        self.opened: list[tuple[str, int, int]] = []
        self.attempts = 0
        self.refusal: str | None = None
        self.own_rate_only = False

    def devices(self) -> list[Device]:
        self.attempts += 1
        return list(self.there)

    def open(self, device: Device, rate: int, channels: int) -> FakeSource:
        if self.refusal is not None:
            raise MicrophoneError(self.refusal)
        if self.own_rate_only and rate != device.rate:
            raise MicrophoneError(f"'{device.name}' cannot be opened at {rate} Hz")
        self.opened.append((device.name, rate, channels))
        self.sources.append(FakeSource(self.script, channels))
        return self.sources[-1]


def sound(samples: int, value: int = 1, channels: int = 2) -> Samples:
    return np.full((samples, channels), value, np.int16)
