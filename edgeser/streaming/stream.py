"""The stream of one microphone, speaker or file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy.typing as npt

from edgeser.errors import StateError
from edgeser.results import EmotionFrame, Verdict
from edgeser.streaming.session import Session


@dataclass(frozen=True, slots=True)
class Speaker:
    """Statistics of the speaker of a stream: see :attr:`Stream.speaker`."""

    utterances: float
    """Number of utterances in these statistics; 0 if there was no speech yet."""
    weight: float
    """In [0, 1): how much of it counts. It grows with utterances, and with how much they varied."""
    shift: tuple[float, ...]
    """What is taken off each of the model's features, in units of their deviation in training."""


class Stream:
    """Takes audio and returns frames; holds all state.

    Made by :meth:`edgeser.Model.stream` or :meth:`edgeser.Model.resume`. Results do not depend on
    how the audio is cut into chunks: the same samples give bit-identical frames. A call that raises
    does not change the stream; it continues with the next chunk.

    Only speech changes the lasting state. A pause of about a second ends a *sequence*; the next one
    starts from a fresh state, except for the statistics of the speaker.

    Threads: a stream belongs to one thread at a time, and may move between threads. A concurrent
    second call raises :class:`~edgeser.StreamBusyError`. Different streams of one model may run on
    any number of threads.
    """

    __slots__ = ("__weakref__", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def sample_rate(self) -> int:
        """Sample rate of the chunks, in Hz."""
        return self._session.native.sample_rate

    @property
    def position(self) -> float:
        """Seconds of audio since the last :meth:`flush` or :meth:`reset`."""
        return self._session.native.position

    @property
    def delay(self) -> float:
        """Longest time in seconds of audio until a sample is in a frame.

        One hop, plus the look-ahead of the resampler (0 at the model's own rate).
        """
        return self._session.native.delay

    @property
    def until_frame(self) -> int:
        """Minimum number of further samples before the next frame.

        A caller who collects audio may wait for this many samples without delaying a frame.
        """
        return self._session.native.until_frame

    @property
    def state_bytes(self) -> int:
        """Size of the state in bytes; constant."""
        return self._session.native.state_bytes

    @property
    def adapt(self) -> bool:
        """Whether the stream learns the statistics of its speaker."""
        return self._session.native.adapt

    @property
    def speaker(self) -> Speaker:
        """The statistics of the speaker.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        utterances, weight, shift = self._session.native.speaker
        return Speaker(utterances, weight, tuple(shift.tolist()))

    def process(self, chunk: npt.NDArray[Any]) -> list[EmotionFrame]:
        """Processes a chunk and returns the frames that it completed, oldest first; often none.

        Args:
            chunk: (n,) mono or (n, channels) with up to 32 channels, which are averaged; int16, or
                float32 or float64 in [-1, 1]; at ``sample_rate``; 1 sample to 300 seconds. The
                array may be reused after the call.

        Raises:
            AudioError: the chunk cannot be used: its type, shape or length, values that are NaN,
                infinite or at another scale. None of it was consumed.
            StreamBusyError: another thread is inside this stream.
            BackendError, KernelError: the model failed while it ran; the stream is as before.
        """
        return self._session.process(chunk)[0]

    def flush(self) -> Verdict:
        """Ends the utterance: returns the verdict on all audio since the last flush.

        Drains the resampler and pads the last partial hop with zeros. The last frames are in the
        verdict's ``frames``. Without audio, the verdict is empty. Afterwards the stream is fresh,
        except for the statistics of the speaker, which include this utterance; :meth:`new_speaker`
        and :meth:`reset` reset them.

        Raises:
            StreamBusyError, BackendError, KernelError: as :meth:`process`.
        """
        return self._session.flush()[1]

    def calibrate(self, chunk: npt.NDArray[Any]) -> None:
        """Learns the speaker from one or two sentences spoken without emotion.

        This replaces the statistics of the speaker, and has the weight of many utterances. The
        audio is not part of the stream: it yields no frames, and the current sequence ends. A
        refused chunk changes nothing.

        Args:
            chunk: as for :meth:`process`, all of the sentence.

        Raises:
            AudioError: the chunk cannot be used, or holds less than a second of speech.
            StateError: the stream does not adapt: see :attr:`adapt`.
            StreamBusyError, BackendError, KernelError: as :meth:`process`.
        """
        self._session.engine.calibrate(self._session.native, chunk)

    def new_speaker(self) -> None:
        """Resets the statistics of the speaker, and ends the sequence.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        self._session.native.new_speaker()

    def skip(self, seconds: float) -> None:
        """Skips time, for lost audio: all later results are timed so much later.

        Raises:
            AudioError: the time is negative or no number, or the stream would be later than 1e12 s.
            StreamBusyError: another thread is inside this stream.
        """
        self._session.native.skip(seconds)

    def reset(self) -> None:
        """Resets the whole state, the speaker included; time restarts at 0.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        self._session.reset()

    def state(self) -> bytes:
        """Saves the state, for :meth:`edgeser.Model.resume`.

        A stream resumed from these bytes, in another process, on another machine, or in C,
        continues bit-identically. The state of a detector is not included.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        return self._session.state()

    def __reduce__(self) -> NoReturn:
        raise StateError(
            "a stream cannot be pickled or copied: save stream.state(), which is bytes, and "
            "resume with model.resume"
        )

    def __repr__(self) -> str:
        return f"<edgeser.Stream {self.sample_rate} Hz, at {self.position:.3f} s>"


def session_of(stream: Stream) -> Session:
    """The session of a stream, for internal use."""
    return stream._session  # noqa: SLF001
