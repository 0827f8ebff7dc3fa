"""Byte ranges of recordings in a file, and random access to its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from edgeser.errors import AudioError

_AT_FIRST, _AT_MOST = 1 << 11, 1 << 20
"""Bytes that a search reads at a time."""
_READS, _BYTES_A_READ = 200_000, 256
"""Reads that finding the recordings may take: so many, and one for so many bytes of the file. Its
pages and chunks are larger."""


@dataclass(frozen=True, slots=True)
class Span:
    """One recording in a file: most files hold one, from their first byte to their last."""

    start: int
    end: int
    """Bytes from the file's beginning."""
    patches: tuple[tuple[int, bytes], ...] = ()
    """(place in the file, bytes to read there instead): lengths that its writer never filled in."""
    share: float = 1.0
    """Share of the stated bytes that exist, in [0, 1]; below 1, the file was cut short."""
    ends: bool = True
    """False if the format marks its end, but the mark is missing."""


@dataclass(slots=True)
class Bytes:
    """Random access to a binary file, which is never held as a whole.

    A file made to be slow is given up: :meth:`at` then raises AudioError.
    """

    file: BinaryIO
    size: int = field(init=False)
    _left: int = field(init=False)
    _found: dict[bytes, tuple[int, int]] = field(init=False, default_factory=dict)
    """What was looked for: from where on, and where it is."""

    def __post_init__(self) -> None:
        self.size = self.file.seek(0, 2)
        self._left = _READS + self.size // _BYTES_A_READ

    def at(self, place: int, count: int) -> bytes:
        """Up to ``count`` bytes; fewer at the end."""
        self._left -= 1
        if self._left < 0:
            raise AudioError("is damaged: its parts have no end; repair or convert it")
        self.file.seek(place)
        return self.file.read(count)

    def number(self, place: int, count: int, order: str = "big") -> int:
        """An unsigned number of ``count`` bytes; ``order`` is big or little."""
        found = self.at(place, count)
        return int.from_bytes(found, "little" if order == "little" else "big")

    def find(self, what: bytes, place: int) -> int:
        """Where ``what`` is first found from ``place`` on; -1 if nowhere.

        Who looks again further on does not read again what lies between.
        """
        before = self._found.get(what)
        if before is not None:
            begin, found = before
            if begin <= place and (found < 0 or place <= found):
                return found
        found = self._search(what, place)
        self._found[what] = place, found
        return found

    def _search(self, what: bytes, place: int) -> int:
        overlap, count = len(what) - 1, _AT_FIRST
        while place < self.size:
            piece = self.at(place, count + overlap)
            found = piece.find(what)
            if found >= 0:
                return place + found
            place += count
            count = min(2 * count, _AT_MOST)
        return -1
