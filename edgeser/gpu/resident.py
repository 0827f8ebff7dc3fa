"""A stream whose rings live on a GPU, and what its state is if that GPU should fail.

A stream's rings follow from its last tokens: Q, K and V in a layer's ring are those of its last
(k-1)d inputs, which follow from the layers before. So the tokens of one receptive field are enough
to make all rings anew (:func:`rebuild`), and a token is a few hundred bytes. They come back from
the GPU with every result and are kept here, while the stream's own block stays as it was when the
rings went over. Nothing that happens to a GPU can thus lose a stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeser.gpu.device import Bytes

if TYPE_CHECKING:
    from edgeser._kernels import TACN

LONGEST_TURN = 64
"""Tokens of one call that can be undone by the journal; before a longer one the block is made
current."""


class Resident:
    """Where a stream's rings are, and its journal. It belongs to whoever has the stream."""

    __slots__ = ("_release", "base", "journal", "position", "row")

    def __init__(
        self, row: int, position: int, reach: int, width: int, release: Callable[[int], None]
    ) -> None:
        """Begin a journal at ``position``.

        Args:
            row: of the arena.
            position: tokens done.
            reach: tokens that rings depend on.
            width: values of a token.
            release: called with the row when nobody needs it any more.
        """
        self.row = row
        self.position = position
        self.journal = np.empty((reach + LONGEST_TURN, width), np.float32)
        """Token t lies in row t mod the number of rows."""
        self.base: Bytes | None = None
        """The block from which the journal goes on, if the stream's own is no longer that."""
        self._release = release

    def __del__(self) -> None:
        self._release(self.row)

    def note(self, token: npt.NDArray[np.float32]) -> None:
        """One more token (C,) has been done."""
        self.journal[self.position % len(self.journal)] = token
        self.position += 1


def position_of(block: Bytes) -> int:
    """How many tokens a TACN block has done."""
    return int(block[:8].view(np.int64)[0])


def rebuild(tacn: TACN, journal: npt.NDArray[np.float32], base: Bytes, position: int) -> Bytes:
    """The TACN block at ``position``, from an older one or, if that is too old, from tokens alone.

    Equal to what the GPU had up to rounding. Takes one step of the CPU's kernel for each token.

    Args:
        tacn: the same model's.
        journal: as :attr:`Resident.journal`, of at least one receptive field.
        base: a block whose position is not after ``position``; the journal has all tokens since,
            or at least those that the rings depend on.
        position: tokens done.
    """
    begin = position_of(base)
    first = max(begin, position - (tacn.receptive_field - 1))
    if first == begin:
        block = base.copy()
    else:
        # Rings of zeros at a late position give wrong values at first; by the time that the last
        # token is in, none of those is left.
        block = np.zeros_like(base)
        block[:8].view(np.int64)[0] = first
    for t in range(first, position):
        tacn.step(journal[t % len(journal)][None], [block])
    return block
