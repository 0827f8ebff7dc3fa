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
    """The microphones now present: name, index, channels, rate in Hz, default or not.

    Raises:
        MicrophoneError: PyAudio or PortAudio is missing; the message says how to install them.
    """
    return PortAudio().devices()


class Microphone:
    """Records from a microphone in real time, and recovers from its failures.

    A context manager, to iterate over::

        with edgeser.Microphone() as microphone:
            for item in microphone:  # Chunk, Gap, Lost or Found, in order

    The device is opened at its own rate and with its own channels (one, if it offers more than
    8, as sound servers do), and a thread reads int16 audio from it into a ring buffer.

    *Overflow.* If the reader is more than ``buffer`` seconds behind, the oldest audio is dropped,
    and a :class:`~edgeser.microphone.Gap` of its length replaces it.

    *Times stay correct.* Audio that the system dropped, or that was missed while the device was
    lost, is also a gap, and later times are correct. No audio is inserted: a program that needs a
    continuous signal inserts silence for a gap, as :func:`edgeser.listen` does.

    *Recovery.* A device that is unplugged, taken by another program or mute for 3 s is
    :class:`~edgeser.microphone.Lost`; it is reopened after 0.1 s, 0.2 s, ... then every 5 s,
    without end, and then :class:`~edgeser.microphone.Found`.

    *Clock drift.* While audio flows, time is counted in samples at the nominal rate. Crystals
    drift by up to 100 ppm, 0.4 s per hour. This is not corrected, because resampling would change
    the audio. A gap sets the clock to the wall clock again.

    Threads: one thread iterates; ``close`` and the properties may be used from any.

    Args:
        device: None for the system's default; an index; or a name, of which a part is enough if
            it fits only one. ``edgeser.microphones()`` lists them.
        sample_rate: Hz; None for the device's own. It never changes: a device that
            refuses it, or returns with another one, is opened at its own rate and resampled.
        channels: None for the device's own.
        buffer: seconds of sound that may wait for the reader.
        wait: whether opening waits for a device that is missing or busy, or raises.
        backend: the recording library; None for PortAudio.
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
        """Releases the device and ends the iteration. Closing twice does nothing."""
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
        """Seconds of recorded audio that were not read yet."""
        capture = self._opened()
        return capture.ring.waiting / capture.rate

    @property
    def dropped(self) -> float:
        """Seconds of audio that were dropped because the reader was too slow."""
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
