"""What one stream owns, and the rule that nothing half-done is ever seen of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeser.audio.chunk import check_rate
from edgeser.backends import kernels
from edgeser.engine import Engine
from edgeser.errors import StreamBusyError
from edgeser.results import EmotionFrame, Verdict
from edgeser.state import RECEIVED, SAMPLES, SPEECH_FRAMES, Bytes, Layout, State
from edgeser.verdict import conclude

if TYPE_CHECKING:
    from edgeser._kernels import Resampler

Samples = npt.NDArray[np.float32]


@lru_cache(maxsize=16)
def resampler(rate_in: int, rate_out: int) -> Resampler:
    """The filter bank between two rates; immutable, so streams of one rate share it."""
    made: Resampler = kernels().Resampler(rate_in, rate_out)
    return made


class Lane:
    """The state of one stream, and the resampler from its rate to the model's.

    Making one raises AudioError unless the rate is a whole number from 8000 to 192000 Hz.

    As a context manager a lane is a *turn*: one thread alone, all or nothing. If the block raises,
    for whatever reason, the state is put back to what it was.
    """

    def __init__(self, engine: Engine, sample_rate: int) -> None:
        manifest = engine.bundle.manifest
        sizes = manifest.sizes
        self.engine = engine
        self.sample_rate = check_rate(sample_rate)
        self.resampler = resampler(self.sample_rate, sizes.sample_rate)
        self.state = State(
            Layout(
                labels=len(manifest.labels),
                segment=sizes.segment,
                hop=sizes.hop,
                level_initial=manifest.level_initial,
                resampler_bytes=self.resampler.state_bytes,
                tacn_bytes=engine.tacn_bytes,
            )
        )
        self._lock = threading.Lock()
        self._kept_head: Bytes | None = None
        # What undoes each change of the rings, to be called newest first.
        self._undo_rings: list[Callable[[], None]] = []

    def __enter__(self) -> Lane:
        if not self._lock.acquire(blocking=False):
            raise StreamBusyError(
                "another thread is inside this stream: give each stream to one thread at a time, "
                "or make one stream for each thread (they can share the model)"
            )
        self._kept_head = self.state.head.copy()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            while self._undo_rings:
                self._undo_rings.pop()()
            if self._kept_head is not None:
                self.state.head[:] = self._kept_head
        self._kept_head = None
        self._undo_rings.clear()
        self._lock.release()

    @property
    def until_frame(self) -> int:
        """Samples without which no next frame can come; see :attr:`edgeser.Stream.until_frame`."""
        hop, rate = self.state.layout.hop, self.engine.bundle.manifest.sizes.sample_rate
        missing = hop - int(self.state.counters[SAMPLES]) % hop
        if self.sample_rate == rate:
            return missing
        return max(1, (missing - 1) * self.sample_rate // rate)  # the resampler's phase is its own

    def feed(self, mono: Samples) -> list[Samples]:
        """Take in checked mono samples at the lane's rate; return the segments now complete."""
        self.state.counters[RECEIVED] += mono.size
        if self.resampler.taps:  # else the rates are equal
            mono = self.resampler.process(mono, self.state.resampler)
        return self._hear(mono)

    def drain(self) -> list[Samples]:
        """End the utterance: what the resampler still holds, then zeros up to a whole hop."""
        rest = self.resampler.flush(self.state.resampler)
        total = int(self.state.counters[SAMPLES]) + rest.size
        padding = np.zeros(-total % self.state.layout.hop, np.float32)
        return self._hear(np.concatenate((rest, padding)))

    def conclude(self, last: Sequence[EmotionFrame]) -> Verdict:
        """The verdict on the utterance, of which ``last`` are the frames that its end brought."""
        counters, decoder = self.state.counters, self.engine.decoder
        return conclude(
            self.state.sums,
            decoder.labels,
            decoder.thresholds,
            duration=int(counters[RECEIVED]) / self.sample_rate,
            speech_seconds=int(counters[SPEECH_FRAMES]) * decoder.hop,
            frames=tuple(last),
        )

    def forget(self) -> None:
        """Begin anew, as if nothing had ever come."""
        self._undo_rings.append(_putting_back(self.state))
        self.state.clear()

    def _hear(self, samples: Samples) -> list[Samples]:
        segments = self.state.append(samples)
        if segments:
            self._undo_rings.append(self.engine.undo(self.state, len(segments)))
        return segments


def _putting_back(state: State) -> Callable[[], None]:
    """What puts all rings back to what and where they are now."""
    rings, resident = state.tacn.copy(), state.resident

    def put_back() -> None:
        state.tacn[:] = rings
        state.resident = resident

    return put_back
