"""Live emotions: a microphone, a model and a stream in one call.

for frame in edgeser.listen():
    print(frame.time, frame.label)
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from types import TracebackType

import numpy as np
import numpy.typing as npt

from edgeser.loading import load
from edgeser.microphone import Chunk, Event, Gap, Microphone
from edgeser.model import Model
from edgeser.results import EmotionFrame, Verdict
from edgeser.streaming.utterances import Endpointing, UtteranceEvent, Utterances
from edgeser.streaming.vad import SpeechDetector

ModelOrPath = Model | str | os.PathLike[str] | None
DeviceOrMicrophone = Microphone | str | int | None
OnEvent = Callable[[Event], object]


def listen(
    model: ModelOrPath = None,
    device: DeviceOrMicrophone = None,
    *,
    on_event: OnEvent | None = None,
) -> Generator[EmotionFrame, None, None]:
    """Yields frames from a microphone, one every ``model.hop`` seconds, without end.

    ``frame.time`` is seconds since listening began, also after lost audio: silence replaces it, up
    to the length of the model's receptive field, and time beyond that is skipped. While the device
    is lost no frames come; afterwards those of the silence come at once.

    Leaving the loop, also by an error or Ctrl-C, closes the microphone.

    Labels are None if the model's own speech score detects no speech.

    Args:
        model: a loaded one, a bundle's path, or None for the bundled one.
        device: as for :class:`edgeser.Microphone`; or a Microphone, to set its options.
        on_event: called with each :class:`edgeser.microphone.Gap`, ``Lost`` and ``Found``, in the
            thread that iterates.

    Raises:
        MicrophoneError: there is no such microphone, it is busy, or PyAudio is missing. After it
            was opened, failures are events, not errors.
        BundleError, BackendError, KernelError: the model cannot be loaded, or failed.
    """
    with Listener(model, device, on_event=on_event) as listener:
        yield from listener


def listen_for_utterances(
    model: ModelOrPath = None,
    device: DeviceOrMicrophone = None,
    rules: Endpointing | None = None,
    *,
    detector: SpeechDetector | None = None,
    adapt: bool | None = None,
    new_speaker_after: float | None = None,
    on_event: OnEvent | None = None,
) -> Generator[UtteranceEvent, None, None]:
    """:func:`listen` for utterances: yields the start of speech, its frames, and its verdict.

    Args:
        model: as for :func:`listen`.
        device: as for :func:`listen`.
        rules: for the start and end of an utterance.
        detector: detects speech; None for the model's own score.
        adapt: as for :meth:`edgeser.Model.stream`.
        new_speaker_after: as for :meth:`edgeser.Model.stream`.
        on_event: as for :func:`listen`.

    Raises:
        MicrophoneError, BundleError, BackendError, KernelError: as :func:`listen`.
    """
    with Listener(model, device, on_event=on_event) as listener:
        rate = listener.microphone.sample_rate
        utterances = Utterances(
            listener.model,
            rate,
            rules,
            detector=detector,
            adapt=adapt,
            new_speaker_after=new_speaker_after,
        )
        for skipped, samples in listener.sound():
            utterances.skip(skipped)
            yield from utterances.process(samples)
        yield from utterances.flush()


async def listen_async(
    model: ModelOrPath = None,
    device: DeviceOrMicrophone = None,
    *,
    on_event: OnEvent | None = None,
) -> AsyncGenerator[EmotionFrame, None]:
    """:func:`listen` for asyncio: waiting and computing happen in a worker thread.

    ``on_event`` is called in that thread. Cancelling the task closes the microphone. After a
    ``break``, call ``aclose`` (see contextlib.aclosing) to close it at once.

    Raises:
        MicrophoneError, BundleError, BackendError, KernelError: as :func:`listen`.
    """
    import asyncio

    listener = Listener(model, device, on_event=on_event)
    try:
        await asyncio.to_thread(listener.open)
        frames = iter(listener)
        while (frame := await asyncio.to_thread(next, frames, None)) is not None:
            yield frame
    finally:
        listener.close()  # this also ends the worker thread


def listen_in_background(
    callback: Callable[[EmotionFrame], object],
    model: ModelOrPath = None,
    device: DeviceOrMicrophone = None,
    *,
    on_event: OnEvent | None = None,
) -> BackgroundListener:
    """:func:`listen` in a separate thread, which calls ``callback`` with each frame.

    ``on_event`` is called in that thread as well. The microphone is open when this returns.

    Raises:
        MicrophoneError, BundleError, BackendError: as :func:`listen`.
    """
    listener = Listener(model, device, on_event=on_event)
    listener.open()
    return BackgroundListener(listener, callback)


class BackgroundListener:
    """Returned by :func:`listen_in_background`, to stop it. A context manager.

    Threads: all methods may be called from any thread except the callback's own.
    """

    def __init__(self, listener: Listener, callback: Callable[[EmotionFrame], object]) -> None:
        self._listener = listener
        self._callback = callback
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="edgeser listener", daemon=True)
        self._thread.start()

    def stop(self) -> Verdict:
        """Closes the microphone and returns the verdict.

        Raises:
            any exception of the callback or the model, which ended the listening.
        """
        self._listener.close()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._listener.conclude()

    def __enter__(self) -> BackgroundListener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            for frame in self._listener:
                self._callback(frame)
        except BaseException as error:  # noqa: BLE001 - raised where somebody is told of it
            self._error = error
            self._listener.close()


class Listener:
    """Combines a microphone with a model; used by the functions above.

    A context manager that opens and closes the microphone. Iterate over it for frames, then call
    ``conclude`` for the verdict. Threads: one at a time, but ``close`` from any.
    """

    def __init__(
        self,
        model: ModelOrPath,
        device: DeviceOrMicrophone,
        *,
        on_event: OnEvent | None = None,
    ) -> None:
        self.model = model if isinstance(model, Model) else load(model)
        self.microphone = device if isinstance(device, Microphone) else Microphone(device)
        self._on_event = on_event
        self._stream = self.model.stream(self.model.sample_rate)  # until the true rate is known

    def open(self) -> None:
        """Open the microphone, and a stream at its rate. Raises MicrophoneError or AudioError."""
        self.microphone.open()
        try:
            self._stream = self.model.stream(self.microphone.sample_rate)
        except BaseException:
            self.microphone.close()
            raise

    def close(self) -> None:
        """Closes the microphone, which ends the iteration."""
        self.microphone.close()

    def conclude(self) -> Verdict:
        """The verdict on all audio; its duration excludes skipped time."""
        return self._stream.flush()

    def __enter__(self) -> Listener:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[EmotionFrame]:
        """Frames until the microphone is closed."""
        for skipped, samples in self.sound():
            self._stream.skip(skipped)
            yield from self._stream.process(samples)

    def sound(self) -> Iterator[tuple[float, npt.NDArray[np.int16]]]:
        """Chunks until the microphone is closed, with silence where sound is missing.

        Each comes with the seconds to skip before it: the part of a gap that is longer than the
        model's memory.
        """
        for item in self.microphone:
            if isinstance(item, Chunk):
                yield 0.0, item.samples
                continue
            if self._on_event is not None:
                self._on_event(item)
            if isinstance(item, Gap):
                yield from self._silence(item)

    def _silence(self, gap: Gap) -> Iterator[tuple[float, npt.NDArray[np.int16]]]:
        rate = self.microphone.sample_rate
        audible = min(gap.samples, round(self.model.receptive_field * rate))
        # Before the silence: no frame may be timed earlier than the one before it plus a hop.
        skipped = (gap.samples - audible) / rate
        for at in range(0, audible, rate):  # a second at a time, so that frames flow
            yield skipped, np.zeros(min(rate, audible - at), np.int16)
            skipped = 0.0
