"""Moves audio from a device into the ring buffer, and reopens the device after failures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from edgeser.errors import MicrophoneError
from edgeser.microphone.backend import Backend, Overflow, Source
from edgeser.microphone.backoff import Backoff
from edgeser.microphone.clock import Clock
from edgeser.microphone.device import Device, choose
from edgeser.microphone.events import Cause, Chunk, Found, Gap, Lost
from edgeser.microphone.resampled import ResampledSource
from edgeser.microphone.ring import Ring

POLL = 0.02
"""Seconds between two looks at the device."""
STALL = 3.0
"""Seconds without a sample after which a device is lost; sound servers take up to 2 to start."""
_MOST_REAL_CHANNELS = 8
_NOTHING = np.zeros((0, 1), np.int16)


class Capture:
    """The loop of the thread of an open microphone, one :meth:`step` at a time.

    It opens the device first, in the caller's thread. Later failures of the device do not end it:
    it retries until the device is found again.

    Args:
        backend: records.
        wanted: as for :func:`choose`. Once opened, a device that was chosen is followed by its
            name, since its number may change; the default stays whatever is the default.
        rate: Hz; None for the device's own. It stays for ever, so one stream can take it all: a
            device that refuses it, now or when it comes back, is opened at its own and resampled.
        channels: None for the device's own, and for one of what a sound server makes up (which
            offers 32, whatever is connected to it).
        buffer: seconds that the ring holds.
        now: a monotonic clock, in seconds.

    Raises:
        MicrophoneError: there is no such device, it is busy, or it refuses.
    """

    def __init__(
        self,
        backend: Backend,
        wanted: str | int | None,
        *,
        rate: int | None,
        channels: int | None,
        buffer: float,
        now: Callable[[], float],
    ) -> None:
        self._backend = backend
        self._wanted = wanted
        self._channels = channels
        self._now = now
        self._backoff = Backoff()
        self._broken: Cause | None = None
        self.device, self.rate, source = self._open(rate)
        self._source: Source | None = source
        self._wanted = None if wanted is None else self.device.name
        self._clock = Clock(self.rate, now())
        self.ring = Ring(max(1, round(buffer * self.rate)), self.rate)

    def run(self, stop: threading.Event) -> None:
        """Steps until stopped. An unexpected exception ends the ring, and thereby its reader."""
        try:
            while not stop.wait(self.step()):
                pass
        except BaseException as error:  # noqa: BLE001 - the reader raises it; nobody sees it here
            self.ring.end(error)
        finally:
            self.close()

    def step(self) -> float:
        """Fetch what there is, or look for the device; return seconds to wait before the next."""
        if self._source is None:
            return self._look_for_it()
        try:
            samples = self._source.read()
        except Overflow:
            self._broken = self._broken or "overflow"
            samples = _NOTHING  # it may be all that ever comes
        except MicrophoneError as error:
            return self._lose(str(error))
        now = self._now()
        if len(samples):
            if self._broken:
                self._mend(now, len(samples), self._broken)
            self.ring.put(Chunk(self._clock.time, samples))
            self._clock.advance(now, len(samples))
        elif now - max(self._clock.heard, self._opened) > STALL:
            return self._lose(f"{self.device.name!r} has delivered nothing for {STALL:g} s")
        return POLL

    def close(self) -> None:
        """Give the device back."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def _open(self, rate: int | None) -> tuple[Device, int, Source]:
        device = choose(self._backend.devices(), self._wanted)
        rate = device.rate if rate is None else rate
        offered = device.channels if device.channels <= _MOST_REAL_CHANNELS else 1
        source = self._open_at(rate, device, self._channels or offered)
        self._opened = self._now()
        return device, rate, source

    def _open_at(self, rate: int, device: Device, channels: int) -> Source:
        try:
            return self._backend.open(device, rate, channels)
        except MicrophoneError:
            if device.rate != rate:
                with suppress(MicrophoneError):  # what is said of the rate that was wanted counts
                    source = self._backend.open(device, device.rate, channels)
                    return ResampledSource(source, device.rate, rate)
            raise

    def _lose(self, reason: str) -> float:
        if self._broken != "lost device":  # open again but mute: nothing new to say
            self.ring.put(Lost(self._clock.time, reason))
        self._broken = "lost device"
        self.close()  # last: while a sound server stands still, this does not return
        return self._backoff.delay()

    def _look_for_it(self) -> float:
        try:
            self.device, _, self._source = self._open(self.rate)
        except MicrophoneError:
            return self._backoff.delay()
        return POLL

    def _mend(self, now: float, samples: int, cause: Cause) -> None:
        self._broken = None
        if cause == "lost device":
            self._backoff.reset()
            self.ring.put(Found(self._clock.time, self.device.name))
        if missing := self._clock.missing(now, samples):
            self.ring.put(Gap(self._clock.time, missing, missing / self.rate, cause))
            self._clock.advance(now, missing)
