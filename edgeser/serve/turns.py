"""A fair turn for each connection: what one client sends is read in small parts, within budgets.

All that arrives is handled by one thread. A client that sends many small messages, or empty pings,
would have it to itself: a single read of 256 KiB can hold forty thousand of them. So frames are
counted before they are parsed, a turn takes few of them, and others have theirs in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edgeser.serve.budget import Budget

TURN_FRAMES = 16
TURN_BYTES = 1 << 16
MOST_UNSENT = 1 << 20
"""Bytes; of who makes the server answer, as pings do, and never reads."""


class FrameCounter:
    """Finds where WebSocket frames (RFC 6455 section 5.2) end, by their headers alone.

    It checks nothing: whoever parses the same bytes afterwards does.
    """

    __slots__ = ("_inside",)

    def __init__(self) -> None:
        self._inside = 0
        """Bytes that the current frame still has."""

    @property
    def between(self) -> bool:
        """Whether what was cut off so far ends where a frame does."""
        return self._inside == 0

    def cut(self, data: bytes | bytearray, most_frames: int, most_bytes: int) -> tuple[int, int]:
        """How many bytes to take: at most so many, which begin at most so many frames.

        Returns bytes, and frames begun. A header that is not there as a whole is left for later.
        """
        at, frames, end = 0, 0, min(len(data), most_bytes)
        while True:
            if self._inside:
                part = min(self._inside, end - at)
                at += part
                self._inside -= part
            if at >= end or frames >= most_frames or len(data) - at < 2:
                return at, frames
            second = data[at + 1]
            length, header = second & 127, 2
            if length >= 126:
                header = 4 if length == 126 else 10
                if len(data) - at < header:
                    return at, frames
                length = int.from_bytes(data[at + 2 : at + header], "big")
            if second & 128:
                header += 4
            if len(data) - at < header:
                return at, frames
            frames += 1
            self._inside = header + length


class Turns:
    """Between one connection's transport and what parses its frames.

    Args:
        transport: that the bytes come from; it is paused while there are enough of them here.
        feed: takes the bytes of a turn.
        messages, content: budgets of frames and of bytes.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        feed: Callable[[bytes], None],
        messages: Budget,
        content: Budget,
    ) -> None:
        self._transport, self._feed = transport, feed
        self._messages, self._bytes = messages, content
        self._frames = FrameCounter()
        self._kept = bytearray()
        self._held = self._paused = self._closed = False
        self._whole = False
        self._next: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()

    def received(self, data: bytes) -> None:
        """Bytes came; they are fed at once if it is this connection's turn."""
        if self._closed:
            return
        if self._waits:
            self._kept += data
            self._pause()
        elif self._kept:
            self._kept += data
            self._turn()
        else:
            self._turn(data)

    def hold(self) -> None:
        """Feed nothing: what was fed is not dealt with yet."""
        self._held = True

    def go_on(self) -> None:
        """Feed again."""
        self._held = False
        if self._next is None and not self._closed:
            if self._kept:
                self._next = self._loop.call_soon(self._turn)
            else:
                self._resume()

    def close(self) -> None:
        """It is gone."""
        self._closed = True
        self._kept.clear()
        if self._next is not None:
            self._next.cancel()

    @property
    def whole(self) -> bool:
        """Whether what was fed last began and ended between two frames."""
        return self._whole

    @property
    def _waits(self) -> bool:
        return self._held or self._next is not None

    def _turn(self, fresh: bytes = b"") -> None:
        """Feed what may be fed now: of ``fresh``, which nothing kept comes before, or of that."""
        self._next = None
        if self._held or self._closed:
            return
        if self._transport.get_write_buffer_size() > MOST_UNSENT:
            self._transport.abort()
            return
        between = self._frames.between
        size, frames = self._frames.cut(fresh or self._kept, TURN_FRAMES, TURN_BYTES)
        self._whole = between and self._frames.between
        if size == len(fresh):  # as nearly always: not a byte is copied
            part = fresh
        else:
            self._kept += fresh
            part = bytes(self._kept[:size])
            del self._kept[:size]
        pause = max(self._messages.take(frames), self._bytes.take(size))
        if pause > 0:
            self._next = self._loop.call_later(pause, self._turn)
        elif size and self._kept:
            self._next = self._loop.call_soon(self._turn)
        if size:
            self._feed(part)
        if not self._waits:
            self._resume()

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
