"""Saved streams that an attacker has changed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import edgeser
from edgeser import _kernels
from edgeser.streaming.stream import session_of
from tests.sounds import noise

HEAD, SEAL = 120, 32
"""Sizes in bytes of the header before the block and of the hash after it."""

COUNTERS = ("received", "heard", "frames", "spoken", "tokens", "pause", "missing", "zeros")
"""The first int64 of the block: see csrc/stream/layout.hpp."""


def resealed(data: bytes) -> bytes:
    """``data`` with a hash that fits."""
    body = data[:-SEAL]
    return body + hashlib.sha256(body).digest()


def counter(data: bytes, name: str) -> int:
    """A counter of a saved stream."""
    value: int = struct.unpack_from("<q", data, HEAD + 8 * COUNTERS.index(name))[0]
    return value


def with_counter(data: bytes, name: str, value: int) -> bytes:
    """A saved stream with another value of a counter."""
    changed = bytearray(data)
    struct.pack_into("<q", changed, HEAD + 8 * COUNTERS.index(name), value)
    return resealed(bytes(changed))


@contextmanager
def busy(stream: edgeser.Stream) -> Iterator[None]:
    """As if another thread were inside the stream."""
    session = session_of(stream)
    with _kernels.Turn(session.engine.core, [session.native], [noise(1)]):
        yield
