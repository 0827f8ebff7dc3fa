"""Fairness between connections: a connection's data is parsed in small parts, within budgets.

One thread handles all connections. Without this, a client that sends many small messages or empty
pings could occupy it: a single read of 256 KiB can contain forty thousand. So frames are counted
before they are parsed, a turn parses few of them, and other connections have theirs in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edgeser.serve.budget import Budget

TURN_FRAMES = 16
TURN_BYTES = 1 << 16
MOST_UNSENT = 1 << 20
"""Limit in bytes of unsent answers, such as pongs, to a client that does not read."""


class FrameCounter:
    """Finds the ends of WebSocket frames (RFC 6455 section 5.2) from their headers alone.

    It checks nothing; the parser does that afterwards.
    """

    __slots__ = ("_inside",)

    def __init__(self) -> None:
        self._inside = 0
        """Bytes of the current frame that are still to come."""

    @property
    def between(self) -> bool:
        """Whether the bytes so far end at the end of a frame."""
        return self._inside == 0

    def cut(self, data: bytes | bytearray, most_frames: int, most_bytes: int) -> tuple[int, int]:
        """How many bytes to parse: limited in bytes, and in frames that begin in them.

        Returns bytes and frames. An incomplete header is left for the next call.
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
    """Between one connection's transport and its parser.

    Args:
        transport: the source of the bytes; paused while enough of them are buffered here.
        feed: parses the bytes of one turn.
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
        """Accepts bytes from the transport; parses them at once if nothing is pending."""
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
        """Stops parsing, until earlier messages are handled."""
        self._held = True

    def go_on(self) -> None:
        """Continues to parse."""
        self._held = False
        if self._next is None and not self._closed:
            if self._kept:
                self._next = self._loop.call_soon(self._turn)
            else:
                self._resume()

    def close(self) -> None:
        """Drops everything: the connection ended."""
        self._closed = True
        self._kept.clear()
        if self._next is not None:
            self._next.cancel()

    @property
    def whole(self) -> bool:
        """Whether the bytes of the last turn began and ended between two frames."""
        return self._whole

    @property
    def _waits(self) -> bool:
        return self._held or self._next is not None

    def _turn(self, fresh: bytes = b"") -> None:
        """Parses what the budgets allow, of ``fresh`` if nothing is buffered, or of the buffer."""
        self._next = None
        if self._held or self._closed:
            return
        if self._transport.get_write_buffer_size() > MOST_UNSENT:
            self._transport.abort()
            return
        between = self._frames.between
        size, frames = self._frames.cut(fresh or self._kept, TURN_FRAMES, TURN_BYTES)
        self._whole = between and self._frames.between
        if size == len(fresh):  # the usual case: nothing is copied
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
