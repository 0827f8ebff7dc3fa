"""Finds the recordings in an audio file: one or several, complete or truncated.

The decoders of libsndfile read only the first recording of a file, or never end, and trust lengths
that were never filled in. This module finds the recordings without decoding.
"""

from __future__ import annotations

from collections.abc import Callable

from edgeser.audio import chunked
from edgeser.audio.span import Bytes, Span

_FLAC = b"fLaC\0\0\0\x22"  # the marker, and the head of the block that always comes first
_MOST = 10_000  # recordings in one file


def spans(data: Bytes) -> list[Span]:
    """The recordings of a file, at least one, in order."""
    start = _after_tags(data)
    found: list[Span] = []
    while len(found) < _MOST:
        finder = _finder(data, start)
        if finder is None:
            break
        span = finder(data, start)
        found.append(span)
        if span.end >= data.size or span.end <= start:
            break
        start = span.end
    return found or [Span(0, data.size)]


def is_sound(head: bytes) -> bool:
    """Whether a file that begins with these 16 bytes can be a recording of a kind known here."""
    if head[:3] == b"ID3" or head[:4] in {b"NIST", b"Crea", b" paf", b"fap ", b".sd2"}:
        return True
    return _kind(head) is not None or _is_mpeg(head)


Finder = Callable[[Bytes, int], Span]


def _finder(data: Bytes, start: int) -> Finder | None:
    head = data.at(start, 16)
    if data.at(start, 3) == b"ID3" or _is_mpeg(head):
        return _span_of_mpeg
    return _kind(head)


def _kind(head: bytes) -> Finder | None:
    name, form = head[:4], head[8:12]
    if name in {b"RIFF", b"RIFX", b"RF64", b"BW64"} and form == b"WAVE":
        return chunked.span_of_wave
    if name == b"FORM" and form in {b"AIFF", b"AIFC"}:
        return chunked.span_of_aiff
    kinds: dict[bytes, Finder] = {
        b".snd": chunked.span_of_au,
        b"caff": chunked.span_of_caf,
        b"riff": chunked.span_of_w64,
        b"fLaC": _span_of_flac,
        b"OggS": _span_of_ogg,
    }
    return kinds.get(name)


def _is_mpeg(head: bytes) -> bool:
    """Whether a frame of MPEG audio begins here."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    return version != 1 and layer != 0 and head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3


def _after_tags(data: Bytes) -> int:
    """Where the sound begins: after ID3 tags, unless MPEG audio follows, whose decoder knows them.

    They are no part of any other format, but are found there.
    """
    at = 0
    while (head := data.at(at, 10))[:3] == b"ID3" and len(head) == 10:
        length = 0
        for seven_bits in head[6:10]:
            length = length << 7 | seven_bits & 0x7F
        at += 10 + length + (10 if head[5] & 0x10 else 0)
    return at if at and _kind(data.at(at, 16)) is not None else 0


def _span_of_flac(data: Bytes, start: int) -> Span:
    following = data.find(_FLAC, start + 4)
    return Span(start, following if following >= 0 else data.size)


def _span_of_ogg(data: Bytes, start: int) -> Span:
    """Ends at a page that begins a stream after pages that do not: the next recording."""
    at, beginning, ends = start, True, False
    while at < data.size:
        head = data.at(at, 27 + 255)
        if head[:4] != b"OggS" or len(head) < 27:
            at = data.find(b"OggS", at + 1)  # damaged here: go on where there are pages again
            if at < 0:
                break
            continue
        begins = bool(head[5] & 2)
        if begins and not beginning:
            return Span(start, at, ends=ends)
        beginning, ends = begins, bool(head[5] & 4)
        lengths = head[27 : 27 + head[26]]
        at += 27 + head[26] + sum(lengths)
        if at > data.size or len(lengths) < head[26]:
            ends = False
    return Span(start, data.size, ends=ends)


def _span_of_mpeg(data: Bytes, start: int) -> Span:
    """Ends at the next frame with the length of a recording, which encoders write first."""
    first = _telling_frame(data, start)
    if first is None or first[0] > start + (1 << 20):
        return Span(start, data.size)
    at, length = first
    following = _telling_frame(data, at + 64)
    end = data.size if following is None else following[0]
    if length and at + length + 1024 < end:  # what comes then may be sound without such a frame
        beyond = at + length
        if data.at(beyond, 3) == b"ID3" or _is_mpeg(data.at(beyond, 4)):
            return Span(start, beyond)
    there = end - at
    return Span(start, end, share=min(1.0, there / length) if length else 1.0)


def _telling_frame(data: Bytes, at: int) -> tuple[int, int] | None:
    """The next frame with a Xing header: where it begins, and the length in bytes it tells or 0.

    Between the frame's head and that header there is nothing but zeros.
    """
    best: tuple[int, int] | None = None
    for name in (b"Xing", b"Info"):
        place = data.find(name, at)
        while place >= 0 and (best is None or place < best[0]):
            for side in (32, 17, 9):
                begin = place - side - 4
                if begin < at - 64 or begin < 0:
                    continue
                head = data.at(begin, 4 + side)
                if _is_mpeg(head) and not any(head[4:]):
                    flags = data.number(place + 4, 4)
                    told = data.number(place + 8 + (4 if flags & 1 else 0), 4) if flags & 2 else 0
                    best = (begin, told)
                    break
            place = data.find(name, place + 4)
    return best
