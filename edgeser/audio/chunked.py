"""Where recordings begin and end in formats of chunks with lengths: WAV, AIFF, AU, CAF and W64.

A writer into a pipe cannot go back to fill its lengths in: it leaves 0, or the largest number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from edgeser.audio.span import Bytes, Span

_ENDLESS = 0x7FFF_0000
"""Lengths of four bytes from here on mean that the writer did not know the length."""
_LARGEST = b"\xff\xff\xff\xff"


def span_of_wave(data: Bytes, start: int) -> Span:
    """RIFF, RIFX, RF64 and BW64."""
    order: Literal["big", "little"] = "big" if data.at(start, 4) == b"RIFX" else "little"
    long_lengths = None
    for name, at, length in _chunks(data, start + 12, order):
        if name == b"ds64":
            long_lengths = at
        if name != b"data":
            continue
        if long_lengths is not None and length == 0xFFFF_FFFF:
            length = data.number(long_lengths + 8, 8, order)
        rest = data.size - at
        if length == 0 and rest and not _only_chunks(data, at, order):
            patches = [(start + 4, _LARGEST), (at - 4, _LARGEST)]
            if long_lengths is not None:
                there = (rest + at - start - 8).to_bytes(8, order) + rest.to_bytes(8, order)
                patches.append((long_lengths, there))
            return Span(start, data.size, tuple(patches))
        if length > rest:
            known = length < _ENDLESS or long_lengths is not None
            return Span(start, data.size, share=rest / length if known else 1.0)
        end = at + length
        return _until_next(data, start, end, (b"RIFF", b"RIFX", b"RF64", b"BW64"), 8, b"WAVE")
    return Span(start, data.size)


def span_of_aiff(data: Bytes, start: int) -> Span:
    """AIFF and AIFC."""
    frames_at, frame_bytes = 0, 0
    for name, at, length in _chunks(data, start + 12, "big"):
        if name == b"COMM":
            channels, bits = data.number(at, 2), data.number(at + 6, 2)
            plain = data.at(start + 8, 4) == b"AIFF" or data.at(at + 18, 4) in {b"NONE", b"sowt"}
            frames_at, frame_bytes = at + 2, channels * -(-bits // 8) if plain else 0
        if name != b"SSND":
            continue
        rest = data.size - at
        unknown = length in {0, 8} and rest > 8 and not _only_chunks(data, at + length, "big")
        if frame_bytes and (unknown or (length > rest and length >= _ENDLESS)):
            frames = min((rest - 8) // frame_bytes, 0xFFFF_FFFF)
            there = min(rest, 0xFFFF_FFFF).to_bytes(4, "big")
            form = min(data.size - start - 8, 0xFFFF_FFFF).to_bytes(4, "big")
            patches = ((start + 4, form), (frames_at, frames.to_bytes(4, "big")), (at - 4, there))
            return Span(start, data.size, patches)
        if length > rest:
            return Span(start, data.size, share=rest / length)
        return _until_next(data, start, at + length, (b"FORM",), 8, b"AIF")
    return Span(start, data.size)


def span_of_au(data: Bytes, start: int) -> Span:
    """Sun's and NeXT's."""
    offset, length = data.number(start + 4, 4), data.number(start + 8, 4)
    rest = data.size - start - offset
    if length == 0 and rest > 0:
        return Span(start, data.size, ((start + 8, _LARGEST),))
    if length > rest:
        told = 0 < length < _ENDLESS
        return Span(start, data.size, share=max(0, rest) / length if told else 1.0)
    end = start + offset + length
    return Span(start, end if data.at(end, 4) == b".snd" else data.size)


def span_of_caf(data: Bytes, start: int) -> Span:
    """Apple's; a length of -1 is until the end."""
    at = start + 8
    while at + 12 <= data.size:
        if data.at(at, 4) == b"caff":
            return Span(start, at)
        name, length = data.at(at, 4), data.number(at + 4, 8)
        if length > data.size - at - 12:
            if name != b"data":
                return Span(start, data.size)
            rest = data.size - at - 12
            there = ((at + 4, rest.to_bytes(8, "big")),)  # its decoder takes no other length
            return Span(start, data.size, there, rest / length if length < 1 << 62 else 1.0)
        at += 12 + length
    return Span(start, data.size)


def span_of_w64(data: Bytes, start: int) -> Span:
    """Sony's: names of 16 bytes, lengths of 8 that count themselves and the name."""
    at = start + 40
    while at + 24 <= data.size:
        name = data.at(at, 4)
        if name == b"riff":
            return Span(start, at)
        length = data.number(at + 16, 8, "little")
        if name == b"data" and length <= 24 < data.size - at:
            whole, there = data.size - start, data.size - at
            patches = ((start + 16, whole.to_bytes(8, "little")),)
            return Span(start, data.size, (*patches, (at + 16, there.to_bytes(8, "little"))))
        if length < 24:
            break
        if length > data.size - at:
            known = name != b"data" or length < 1 << 62
            return Span(start, data.size, share=(data.size - at) / length if known else 1.0)
        at += -(-length // 8) * 8
    return Span(start, data.size)


def _chunks(
    data: Bytes, at: int, order: Literal["big", "little"]
) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its contents begin, their length) of each chunk, as far as they are there."""
    while at + 8 <= data.size:
        name, length = data.at(at, 4), data.number(at + 4, 4, order)
        yield name, at + 8, length
        at += 8 + length + length % 2


def _only_chunks(data: Bytes, at: int, order: Literal["big", "little"]) -> bool:
    """Whether from here to the end of the file there are whole chunks, or nothing."""
    end = at
    for name, begin, length in _chunks(data, at, order):
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        end = begin + length
    return data.size - 1 <= end <= data.size + 1


def _until_next(
    data: Bytes, start: int, end: int, names: tuple[bytes, ...], kind_at: int, kind: bytes
) -> Span:
    """The span up to where another recording of the same format begins, or the file ends."""
    order: Literal["big", "little"] = "big" if data.at(start, 4) in {b"FORM", b"RIFX"} else "little"
    at = end
    while at + 12 <= data.size:
        for place in (at, at + 1):  # after an odd length comes a byte of padding, or should
            head = data.at(place, 12)
            if head[:4] in names and head[kind_at : kind_at + len(kind)] == kind:
                return Span(start, place)
        at += (at - start) % 2
        name = data.at(at, 4)
        if not (name.isascii() and name.decode("ascii").isprintable()):
            break
        length = data.number(at + 4, 4, order)
        at += 8 + length
    return Span(start, data.size)
