"""One microphone, one speaker, one file: a stream."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy.typing as npt

from edgeser import saved
from edgeser.audio.chunk import to_mono
from edgeser.errors import StateError
from edgeser.lane import Lane
from edgeser.results import EmotionFrame, Verdict
from edgeser.state import RECEIVED


class Stream:
    """Audio in, frames out, and the only thing of edgeser that changes.

    Made by :meth:`edgeser.Model.stream` or :meth:`edgeser.Model.resume`. How the audio is cut into
    chunks never matters: the same samples give bit-identical frames. A call that raises leaves the
    stream as it was, and the next chunk continues as if that one had not come.

    Threads: a stream belongs to one thread at a time, and may be handed from one to another. Two
    that meet in it get a :class:`~edgeser.StreamBusyError` at once, never wrong results. Streams
    of one model may run on as many threads as there are.
    """

    __slots__ = ("__weakref__", "_lane")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    @property
    def sample_rate(self) -> int:
        """Hz, of the chunks that this stream takes."""
        return self._lane.sample_rate

    @property
    def position(self) -> float:
        """Seconds of audio pushed since the utterance began."""
        return int(self._lane.state.counters[RECEIVED]) / self._lane.sample_rate

    @property
    def delay(self) -> float:
        """Seconds of audio after which a pushed sample is in a frame, at the latest.

        One hop, and what the resampler must hear beyond a sample before it can return it (nothing
        if the stream has the model's own rate).
        """
        return self._lane.engine.decoder.hop + self._lane.resampler.delay

    @property
    def until_frame(self) -> int:
        """So many samples, at least, must still be pushed before the next frame can come.

        For who collects many streams' audio before stepping them: nothing is late for having been
        held back until there is so much.
        """
        return self._lane.until_frame

    @property
    def state_bytes(self) -> int:
        """Bytes of memory that everything this stream knows takes. It never changes."""
        return self._lane.state.block.size

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
        mono = to_mono(chunk, self._lane.sample_rate)
        with self._lane as lane:
            return lane.engine.advance([lane.state], [lane.feed(mono)])[0]

    def flush(self) -> Verdict:
        """End the utterance: judge all of it, then be fresh as after :meth:`reset`.

        What the resampler still holds is drained and the last partial hop is filled up with
        zeros, so n samples at the model's rate always give ceil(n / hop) frames in all. The last
        of them come in the verdict's ``frames``. Without audio before, the verdict is empty.

        Raises:
            StreamBusyError, BackendError, KernelError: as :meth:`process`.
        """
        with self._lane as lane:
            frames = lane.engine.advance([lane.state], [lane.drain()])[0]
            verdict = lane.conclude(frames)
            lane.forget()
        return verdict

    def reset(self) -> None:
        """Forget everything: the next sample begins a new utterance at time 0.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        with self._lane as lane:
            lane.forget()

    def state(self) -> bytes:
        """Everything that the stream knows, for :meth:`edgeser.Model.resume`.

        The bytes carry a format version, the model's hash, the sample rate and a CRC. A stream
        resumed from them, in another process or on another machine, goes on exactly as this one.

        Raises:
            StreamBusyError: another thread is inside this stream.
        """
        with self._lane as lane:
            return saved.save(lane)

    def __reduce__(self) -> NoReturn:
        raise StateError(
            "a stream cannot be pickled or copied: keep stream.state(), which is bytes, and go on "
            "with model.resume"
        )

    def __repr__(self) -> str:
        return f"<edgeser.Stream {self.sample_rate} Hz, at {self.position:.3f} s>"


def lane_of(stream: Stream) -> Lane:
    """What a stream owns, for the rest of this package."""
    return stream._lane  # noqa: SLF001
