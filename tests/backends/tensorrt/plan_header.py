"""The contents of an engine as TensorRT-RTX reports them.

The layout is not documented; it was found by comparing engines built for one target each. 64 bytes,
little-endian: a magic at 0, the engine's size at 16, the version's four numbers at 24, and at 32 a
bit for each compute capability that it runs on. Behind it lies, among others, a plan in words.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

CAPABILITIES = ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1))


class Header(NamedTuple):
    magic: bytes
    size: int
    version: str
    targets: tuple[tuple[int, int], ...]


def read_header(engine: bytes) -> Header:
    (size,) = struct.unpack_from("<Q", engine, 16)
    (mask,) = struct.unpack_from("<Q", engine, 32)
    targets = tuple(c for bit, c in enumerate(CAPABILITIES) if mask >> bit & 1)
    return Header(engine[:4], size, ".".join(map(str, engine[24:28])), targets)


def constant_types(engine: bytes, dimensions: tuple[int, ...]) -> set[str]:
    """The dtypes of all constants with these dimensions."""
    dims = " ".join(map(str, dimensions))
    found = re.findall(
        rf"const_payload_size=\d+ dims={{ {dims} }}.*? type=(\w+) }}".encode(), engine
    )
    return {kind.decode() for kind in found}
