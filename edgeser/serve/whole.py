"""Fast path for WebSocket frames that hold one whole binary message, as live audio does.

All other frames (fragments, control frames, text, malformed ones) go to ``websockets``, whose full
parser costs five times as much.
"""

from __future__ import annotations

from edgeser.serve.client import Message
from edgeser.serve.encoding import encode_json

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform
    from websockets.utils import apply_mask

BINARY, TEXT = 0x82, 0x81
"""First byte of an unfragmented frame without extensions."""


def whole_messages(data: bytes, most: int) -> list[bytes] | None:
    """The messages of ``data`` if it consists of whole, masked, binary ones below the limit.

    None if it contains anything else.
    """
    messages, at, end = [], 0, len(data)
    while at < end:
        if data[at] != BINARY or end - at < 6 or not data[at + 1] & 128:
            return None
        length, body = data[at + 1] & 127, at + 6
        if length == 126:
            length, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
        elif length == 127:
            length, body = int.from_bytes(data[at + 2 : at + 10], "big"), at + 14
        if length > most or body + length > end:
            return None
        messages.append(apply_mask(data[body : body + length], data[body - 4 : body]))
        at = body + length
    return messages


def framed(message: Message) -> bytes:
    """A message as one server frame."""
    if isinstance(message, bytes):
        first, payload = BINARY, message
    else:
        first, payload = TEXT, encode_json(message).encode()
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload
