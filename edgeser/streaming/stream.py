"""One microphone, one speaker, one file: a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy.typing as npt

from edgeser.errors import StateError
from edgeser.results import EmotionFrame, Verdict
from edgeser.streaming.session import Session


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a stream has learned of the voice that it hears: see :attr:`Stream.speaker`."""

    utterances: float
    """Utterances that it was learned from, as far as they are remembered; 0 if nothing was."""
    weight: float
    """In [0, 1): how much of it counts. It grows with utterances, and with how much they varied."""
    shift: tuple[float, ...]
    """What is taken off each of the model's features, in units of their deviation in training."""


class Stream:
    """Audio in, frames out, and the only thing of edgeser that changes.

    Made by :meth:`edgeser.Model.stream` or :meth:`edgeser.Model.resume`. How the audio is cut into
    chunks never matters: the same samples give bit-identical frames. A call that raises leaves the
    stream as it was, and the next chunk continues as if that one had not come.

    Only speech moves what a stream remembers. A pause of about a second ends a *sequence*: what
    comes then is heard as by a fresh stream, but for what was learned of the speaker.

    Threads: a stream belongs to one thread at a time, and may be handed from one to another. Two
    that meet in it get a :class:`~edgeser.StreamBusyError` at once, never wrong results. Streams
    of one model may run on as many threads as there are.
    """

    __slots__ = ("__weakref__", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def sample_rate(self) -> int:
        """Hz, of the chunks that this stream takes."""
        return self._session.native.sample_rate

    @property
    def position(self) -> float:
        """Seconds of audio pushed since the last :meth:`flush` or :meth:`reset`."""
        return self._session.native.position

    @property
    def delay(self) -> float:
        """Seconds of audio after which a pushed sample is in a frame, at the latest.

        One hop, and what the resampler must hear beyond a sample before it can return it (nothing
        if the stream has the model's own rate).
        """
        return self._session.native.delay

    @property
    def until_frame(self) -> int:
        """So many samples, at least, must still be pushed before the next frame can come.

        For who collects many streams' audio before stepping them: nothing is late for having been
        held back until there is so much.
        """
        return self._session.native.until_frame

    @property
    def state_bytes(self) -> int:
        """Bytes of memory that everything this stream knows takes. It never changes."""
        return self._session.native.state_bytes

    @property
    def adapt(self) -> bool:
        """Whether it learns the voice that it hears."""
        return self._session.native.adapt

    @property
    def speaker(self) -> Speaker:
        """What it has learned of the voice that it hears.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        utterances, weight, shift = self._session.native.speaker
        return Speaker(utterances, weight, tuple(shift.tolist()))

    def process(self, chunk: npt.NDArray[Any]) -> list[EmotionFrame]:
        """Push a chunk and return the frames that it completed, oldest first; often none.

        Args:
            chunk: (n,) mono or (n, channels) with up to 32 channels, which are averaged; int16, or
                float32 or float64 in [-1, 1]; at ``sample_rate``; 1 sample to 300 seconds. It is
                not kept and may be reused.

        Raises:
            AudioError: the chunk cannot be used: its type, shape or length, values that are NaN,
                infinite or at another scale. Nothing of it was taken.
            StreamBusyError: another thread is inside this stream.
            BackendError, KernelError: the model failed while it ran; the stream is as before.
        """
        return self._session.process(chunk)[0]

    def flush(self) -> Verdict:
        """End the utterance: judge all since the last flush, then be fresh but for the speaker.

        What the resampler still holds is drained and the last partial hop is filled up with
        zeros. The last frames come in the verdict's ``frames``. Without audio before, the verdict
        is empty. What was learned of the speaker stays, this utterance included: the next one is
        of the same voice. :meth:`new_speaker` or :meth:`reset` forget it.

        Raises:
            StreamBusyError, BackendError, KernelError: as :meth:`process`.
        """
        return self._session.flush()[1]

    def calibrate(self, chunk: npt.NDArray[Any]) -> None:
        """Learn the speaker from a sentence or two spoken without emotion.

        It takes the place of whatever was learned before, and is worth many utterances. The audio
        is heard apart: it brings no frames, and the running sequence ends. Nothing of a chunk that
        was refused is kept.

        Args:
            chunk: as for :meth:`process`, all of the sentence.

        Raises:
            AudioError: the chunk cannot be used, or holds less than a second of speech.
            StateError: the stream does not adapt: see :attr:`adapt`.
            StreamBusyError, BackendError, KernelError: as :meth:`process`.
        """
        self._session.engine.calibrate(self._session.native, chunk)

    def new_speaker(self) -> None:
        """Somebody else will speak: forget what was learned of the voice, and end the sequence.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        self._session.native.new_speaker()

    def skip(self, seconds: float) -> None:
        """Time passes unheard, as where sound was lost: what follows is timed so much later.

        Raises:
            AudioError: the time is negative.
            StreamBusyError: another thread is inside this stream.
        """
        self._session.native.skip(seconds)

    def reset(self) -> None:
        """Forget everything, the speaker included: the next sample begins anew at time 0.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        self._session.reset()

    def state(self) -> bytes:
        """Everything that the stream knows, for :meth:`edgeser.Model.resume`.

        A stream resumed from these bytes, in another process, on another machine, or in C, goes on
        exactly as this one. What a detector remembers is no part of it.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        return self._session.state()

    def __reduce__(self) -> NoReturn:
        raise StateError(
            "a stream cannot be pickled or copied: keep stream.state(), which is bytes, and go on "
            "with model.resume"
        )

    def __repr__(self) -> str:
        return f"<edgeser.Stream {self.sample_rate} Hz, at {self.position:.3f} s>"


def session_of(stream: Stream) -> Session:
    """What a stream is made of, for the rest of this package."""
    return stream._session  # noqa: SLF001
