"""A microphone to iterate over."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from types import TracebackType

from edgeser.errors import MicrophoneError
from edgeser.microphone.backend import Backend
from edgeser.microphone.backoff import Backoff
from edgeser.microphone.capture import Capture
from edgeser.microphone.device import Device
from edgeser.microphone.events import Chunk, Event
from edgeser.microphone.portaudio import PortAudio

_LONGEST_CLOSE = 5.0  # seconds; a driver that hangs must not hang the program


def microphones() -> list[Device]:
    """The microphones that there are now: name, index, channels, rate in Hz, default or not.

    Raises:
        MicrophoneError: PyAudio or PortAudio is missing; the message says how to install them.
    """
    return PortAudio().devices()


class Microphone:
    """A microphone that is recorded from in real time, whatever befalls it.

    A context manager, to iterate over::

        with edgeser.Microphone() as microphone:
            for item in microphone:  # Chunk, Gap, Lost or Found, in order

    The device is opened at its own rate and with its own channels (one, if it offers more than
    8: that is a sound server), and a thread fetches int16 sound from it into a ring.

    *The newest sound wins.* If the reader is slower than the sound for longer than ``buffer``
    seconds, the oldest sound goes, and a :class:`~edgeser.microphone.Gap` of its length comes in
    its place.

    *The clock stays true.* Sound that the system dropped, or that was missed while the device was
    away, is a gap too, and whatever follows has its true time. Nothing is made up: who needs an
    unbroken signal inserts silence for the gap, as :func:`edgeser.listen` does.

    *It comes back.* A device that is unplugged, taken away or mute for 3 s is
    :class:`~edgeser.microphone.Lost`; it is looked for after 0.1 s, 0.2 s, ... every 5 s, for
    ever, and then :class:`~edgeser.microphone.Found`.

    *Its crystal is the clock.* While sound flows, a second is as many samples as the device's rate
    says. Crystals are off by up to 100 millionths, 0.4 s an hour against the clock on the wall;
    that is not corrected, since stretching sound to correct it would change what is heard. A gap
    sets the clock right as far as the wall can tell.

    Threads: one thread iterates; ``close`` and the properties may be used from any.

    Args:
        device: None for the system's default; an index; or a name, of which a part is enough if
            it fits only one. ``edgeser.microphones()`` lists them.
        sample_rate: Hz; None for the device's own. It stays the same for ever: a device that
            refuses it, or comes back with another one, is opened at its own rate and resampled.
        channels: None for the device's own.
        buffer: seconds of sound that may wait for the reader.
        wait: whether opening waits for a device that is missing or busy, for ever, or raises.
        backend: records; None for PortAudio.
    """

    def __init__(
        self,
        device: str | int | None = None,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        buffer: float = 5.0,
        wait: bool = False,
        backend: Backend | None = None,
    ) -> None:
        self._wanted = device
        self._rate = sample_rate
        self._channels = channels
        self._buffer = buffer
        self._wait = wait
        self._backend: Backend = PortAudio() if backend is None else backend
        self._capture: Capture | None = None
        self._state = threading.Lock()  # never held while the device is opened or closed
        self._stop = threading.Event()
        self._close: weakref.finalize[..., Microphone] | None = None

    def open(self) -> None:
        """Open the device and begin to record. Opening what is open does nothing.

        Raises:
            MicrophoneError: PyAudio is missing; or, unless it was told to wait, there is no such
                device, it is busy, or it refuses the rate or the channels.
        """
        with self._state:
            if self._close is not None and self._close.alive:
                return
            stop = self._stop = threading.Event()
        capture = self._first_capture(stop)
        thread = threading.Thread(
            target=capture.run, args=(stop,), name="edgeser microphone", daemon=True
        )
        with self._state:
            self._capture = capture
            # Also when the program ends or forgets the microphone: no device stays open.
            self._close = weakref.finalize(self, _shut, stop, capture, thread)
            thread.start()
        if stop.is_set():  # closed meanwhile, by another thread
            self.close()

    def close(self) -> None:
        """Give the device back; whoever iterates comes to an end. Closing twice does nothing."""
        with self._state:
            self._stop.set()
            close = self._close
        if close is not None:
            close()

    def __enter__(self) -> Microphone:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Chunk | Event]:
        """Sound and events, in order, as they come; ends when the microphone is closed.

        Raises:
            MicrophoneError: it is not open.
        """
        ring = self._opened().ring
        while (item := ring.get()) is not None:
            yield item

    @property
    def device(self) -> Device:
        """The device that is, or was last, recorded from. Raises MicrophoneError before opening."""
        return self._opened().device

    @property
    def sample_rate(self) -> int:
        """Hz, of all chunks. Raises MicrophoneError before opening."""
        return self._opened().rate

    @property
    def lag(self) -> float:
        """Seconds of sound that were recorded and not yet taken: how late the reader is."""
        capture = self._opened()
        return capture.ring.waiting / capture.rate

    @property
    def dropped(self) -> float:
        """Seconds of sound that a slow reader has cost so far."""
        capture = self._opened()
        return capture.ring.dropped / capture.rate

    def _opened(self) -> Capture:
        if self._capture is None:
            raise MicrophoneError(
                "the microphone is not open: use `with edgeser.Microphone() as ...`"
            )
        return self._capture

    def _first_capture(self, stop: threading.Event) -> Capture:
        backoff = Backoff()
        while True:
            try:
                return Capture(
                    self._backend,
                    self._wanted,
                    rate=self._rate,
                    channels=self._channels,
                    buffer=self._buffer,
                    now=time.monotonic,
                )
            except MicrophoneError as error:  # noqa: PERF203 - an attempt takes far longer
                # What is not installed does not come by waiting.
                missing = isinstance(error.__cause__, ImportError)
                if not self._wait or missing or stop.wait(backoff.delay()):
                    raise


def _shut(stop: threading.Event, capture: Capture, thread: threading.Thread) -> None:
    stop.set()
    capture.ring.end()
    if thread.ident is None:  # the system refused it
        capture.close()
    else:
        thread.join(_LONGEST_CLOSE)
