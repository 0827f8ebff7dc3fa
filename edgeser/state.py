"""Everything that a stream knows, in one flat block of bytes.

So that a state can be copied, saved and put back by copying bytes, and so that what a stream costs
can be read off a single number. Nothing in the block grows; its counters are int64 and last for
longer than anybody listens.

    counters    int64[8]            received, samples, frames, speech frames; the rest zero
    sums        float64[1 + L]      see verdict.py
    level       float32[1]          running level, dBFS
    tail        float32[segment]    the newest samples at the model's rate, oldest first
    resampler   bytes               the resampler's own
    tacn        bytes               the rings of Q, K and V, see csrc

Sections start at multiples of 64 bytes. All but the last, the *head*, are small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edgeser.gpu.resident import Resident

RECEIVED, SAMPLES, FRAMES, SPEECH_FRAMES = range(4)
"""Places in ``counters``: samples pushed by the caller, samples after resampling, frames made,
frames with speech among them. All since the utterance began."""

_COUNTERS = 8
_ALIGNMENT = 64

Bytes = npt.NDArray[np.uint8]


class Layout(NamedTuple):
    """The sizes from which the places of all sections follow."""

    labels: int
    segment: int
    hop: int
    level_initial: float
    resampler_bytes: int
    tacn_bytes: int

    @property
    def sections(self) -> tuple[int, ...]:
        """Bytes of each section, in order."""
        return (
            8 * _COUNTERS,
            8 * (1 + self.labels),
            4,
            4 * self.segment,
            self.resampler_bytes,
            self.tacn_bytes,
        )

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each section begins, and after the last one the size of the whole block."""
        places = [0]
        for size in self.sections:
            places.append(places[-1] + size + -size % _ALIGNMENT)
        return tuple(places)


class State:
    """A block, and the views through which it is read and written. All views share its memory."""

    __slots__ = (
        "block",
        "counters",
        "head",
        "layout",
        "level",
        "resampler",
        "resident",
        "sums",
        "tacn",
        "tail",
    )

    def __init__(self, layout: Layout) -> None:
        offsets = layout.offsets
        spare = np.zeros(offsets[-1] + _ALIGNMENT, np.uint8)
        start = -spare.ctypes.data % _ALIGNMENT
        self.layout = layout
        self.block: Bytes = spare[start : start + offsets[-1]]
        views = [
            self.block[begin : begin + size]
            for begin, size in zip(offsets, layout.sections, strict=False)
        ]
        self.head: Bytes = self.block[: offsets[-2]]
        self.counters: npt.NDArray[np.int64] = views[0].view(np.int64)
        self.sums: npt.NDArray[np.float64] = views[1].view(np.float64)
        self.level: npt.NDArray[np.float32] = views[2].view(np.float32)
        self.tail: npt.NDArray[np.float32] = views[3].view(np.float32)
        self.resampler: Bytes = views[4]
        self.tacn: Bytes = views[5]
        self.resident: Resident | None = None
        """Where the rings are, if a GPU has them; ``tacn`` is then as old as its own position."""
        self.clear()

    def clear(self) -> None:
        """Make it that of a stream which has heard nothing yet."""
        self.resident = None
        self.block.fill(0)
        self.level[0] = self.layout.level_initial

    def append(self, samples: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Take in samples at the model's rate and return the segments that they complete.

        A segment ends after every ``hop`` samples; before the first sample there were only zeros.
        The segments are views of an array of their own, not of the block.
        """
        segment, hop = self.layout.segment, self.layout.hop
        wave = np.concatenate((self.tail, samples))
        first = hop - int(self.counters[SAMPLES]) % hop
        self.tail[:] = wave[-segment:]
        self.counters[SAMPLES] += samples.size
        return [wave[at : at + segment] for at in range(first, samples.size + 1, hop)]
