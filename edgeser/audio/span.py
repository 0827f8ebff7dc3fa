"""Byte ranges of recordings in a file, and random access to its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

_AT_A_TIME = 1 << 20


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
    """Random access to a binary file, which is never held as a whole."""

    file: BinaryIO
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.file.seek(0, 2)

    def at(self, place: int, count: int) -> bytes:
        """Up to ``count`` bytes; fewer at the end."""
        self.file.seek(place)
        return self.file.read(count)

    def number(self, place: int, count: int, order: str = "big") -> int:
        """An unsigned number of ``count`` bytes; ``order`` is big or little."""
        found = self.at(place, count)
        return int.from_bytes(found, "little" if order == "little" else "big")

    def find(self, what: bytes, place: int) -> int:
        """Where ``what`` is first found from ``place`` on; -1 if nowhere."""
        overlap = len(what) - 1
        while place < self.size:
            piece = self.at(place, _AT_A_TIME + overlap)
            found = piece.find(what)
            if found >= 0:
                return place + found
            place += _AT_A_TIME
        return -1
