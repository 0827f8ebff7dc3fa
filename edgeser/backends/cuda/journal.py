"""The last tokens of a stream whose rings are on a GPU, to rebuild the rings if the GPU fails.

The rings depend only on the last tokens of the current sequence: Q, K and V in a layer's ring
are those of its last (k-1)d inputs, which depend on the layers before. So the tokens of one
receptive field are enough to rebuild all rings (:func:`rebuild`); a token is a few hundred
bytes. The journal keeps these tokens. The stream's own block keeps the state from when the rings
moved to the GPU, or is obsolete because a new sequence has begun. So a failing GPU loses no stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeser.backends.cuda.device import Bytes

if TYPE_CHECKING:
    from edgeser._kernels import TACN

LONGEST_TURN = 64
"""Tokens of one call that can be undone by the journal; before a longer one the block is made
current."""


@dataclass(slots=True, eq=False)
class Sequence:
    """The tokens of a stream's current sequence that its rings can depend on."""

    position: int
    """Tokens done."""
    base: int | None
    """The position of the stream's own block, from which the journal goes on; None: from nothing,
    the journal has the sequence from its beginning."""
    journal: npt.NDArray[np.float32]
    """Token t lies in row t mod the number of rows."""

    @staticmethod
    def at(position: int, base: int | None, reach: int, width: int) -> Sequence:
        """With a journal that is empty.

        Args:
            position: tokens done.
            base: see above.
            reach: tokens that rings depend on.
            width: values of a token.
        """
        rows = reach + LONGEST_TURN
        return Sequence(position, base, np.empty((rows, width), np.float32))

    def note(self, token: npt.NDArray[np.float32]) -> None:
        """One more token (C,) has been done."""
        self.journal[self.position % len(self.journal)] = token
        self.position += 1


class StreamOnGpu:
    """The GPU row of a stream and its current sequence. It belongs to the stream."""

    __slots__ = ("_release", "row", "sequence", "unsure")

    def __init__(self, row: int, sequence: Sequence, release: Callable[[int], None]) -> None:
        """``release`` is called with the row when nobody needs it any more."""
        self.row = row
        self.sequence = sequence
        self.unsure = False
        """Whether a step has begun of which it is not known that it ended well."""
        self._release = release

    def __del__(self) -> None:
        self._release(self.row)


def position_of(block: Bytes) -> int:
    """The number of tokens that a TACN block has processed."""
    return int(block[:8].view(np.int64)[0])


def placed(block: Bytes, position: int) -> Bytes:
    """A copy of a TACN block, at a position."""
    copy = block.copy()
    copy[:8].view(np.int64)[0] = position
    return copy


def rebuild(tacn: TACN, sequence: Sequence, own: Bytes, position: int) -> Bytes:
    """The TACN block at ``position``, from the stream's own or, if that is of no use, from tokens.

    Equal to what the GPU had up to rounding. Takes one step of the CPU's kernel for each token.

    Args:
        tacn: the same model's.
        sequence: with all tokens since its base, or at least those that the rings depend on.
        own: the stream's own block.
        position: tokens done, not before the base.
    """
    first = max(sequence.base or 0, position - (tacn.receptive_field - 1))
    if sequence.base is not None and first == sequence.base:
        block = placed(own, first)
    else:
        # Rings of zeros at a late position give wrong values at first; by the time that the last
        # token is in, none of those is left.
        block = placed(np.zeros_like(own), first)
    for t in range(first, position):
        tacn.step(sequence.journal[t % len(sequence.journal)][None], [block])
    return block
