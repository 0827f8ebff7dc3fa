"""The bytes that a client sends to the server, made without a library, to save time."""

from __future__ import annotations


def masked(payload: bytes, kind: int = 2) -> bytes:
    """A client's message, masked with zeros (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        length = bytes([128 | size])
    elif size < 1 << 16:
        length = bytes([128 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([128 | 127]) + size.to_bytes(8, "big")
    return bytes([128 | kind]) + length + bytes(4) + payload
