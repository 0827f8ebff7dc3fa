r"""A stream's state as bytes that can be kept, sent and put back, on this machine or another.

    8 bytes   magic            b"EDGESER\0"
    u32       format version
    u32       sample rate      Hz, of the stream
    32 bytes  model hash       SHA-256 of the bundle's manifest
    u64       length           bytes of the block that follows
    block                      see state.py
    u32       CRC-32           of everything before it

All numbers are little-endian.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from edgeser.errors import KernelError, StateError
from edgeser.lane import Lane
from edgeser.state import FRAMES, RECEIVED, SAMPLES, SPEECH_FRAMES, State

FORMAT = 1
_MAGIC = b"EDGESER\0"
_HEAD = struct.Struct("<8sII32sQ")
_CRC = struct.Struct("<I")
_TACN_HEADER = 64  # bytes; its first eight are the position, the rest of the section is floats


def save(lane: Lane) -> bytes:
    """The state of ``lane`` as bytes."""
    lane.engine.settle(lane.state)
    block = lane.state.block.tobytes()
    model = bytes.fromhex(lane.engine.bundle.hash)
    body = _HEAD.pack(_MAGIC, FORMAT, lane.sample_rate, model, len(block)) + block
    return body + _CRC.pack(zlib.crc32(body))


def sample_rate_of(data: bytes, model_hash: str) -> int:
    """Check everything about ``data`` but its block, and return the rate of the stream it holds.

    Raises:
        StateError: if these are no saved state, are damaged, or belong elsewhere.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise StateError(f"a saved state is bytes, not {type(data).__name__}: pass stream.state()")
    data = bytes(data)
    if len(data) < _HEAD.size + _CRC.size or not data.startswith(_MAGIC):
        raise StateError("these bytes are not a saved stream: pass what stream.state() returned")
    _, version, sample_rate, model, length = _HEAD.unpack_from(data)
    if version > FORMAT:
        raise StateError(
            f"this state has format {version}, made by a newer edgeser; "
            f"this one reads up to {FORMAT}: upgrade edgeser"
        )
    if version < 1:
        raise StateError("this state is damaged: its format version is 0")
    if len(data) != _HEAD.size + length + _CRC.size:
        raise StateError(
            f"this state is {len(data)} bytes long and should be "
            f"{_HEAD.size + length + _CRC.size}: it was cut short or something was added"
        )
    if _CRC.unpack_from(data, len(data) - _CRC.size)[0] != zlib.crc32(data[: -_CRC.size]):
        raise StateError("this state is damaged (its CRC does not match): save it again")
    if model.hex() != model_hash:
        raise StateError(
            f"this state belongs to model {model.hex()[:12]} and this model is {model_hash[:12]}: "
            "load the bundle that the stream was made with, or begin a new stream"
        )
    return int(sample_rate)


def restore(lane: Lane, data: bytes) -> None:
    """Put the block in ``data``, which :func:`sample_rate_of` has passed, into a fresh lane.

    Raises:
        StateError: if the block does not fit this lane or contradicts itself.
    """
    block = np.frombuffer(data, np.uint8)[_HEAD.size : -_CRC.size]
    if block.size != lane.state.block.size:
        raise StateError(
            f"this state holds {block.size} bytes and a stream at {lane.sample_rate} Hz has "
            f"{lane.state.block.size} here: it was made by another version of edgeser; "
            "begin a new stream"
        )
    lane.state.block[:] = block
    if not _makes_sense(lane.state) or not _resampler_accepts(lane):
        raise StateError("this state contradicts itself; it was not made by stream.state()")


def _makes_sense(state: State) -> bool:
    """Whether counters fit each other and numbers are finite.

    A CRC finds accidents, not intent; the kernels must not be led out of their rings.
    """
    counters = state.counters
    samples, frames = int(counters[SAMPLES]), int(counters[FRAMES])
    position, *unused = state.tacn[:_TACN_HEADER].view(np.int64).tolist()
    return (
        int(counters[RECEIVED]) >= 0
        and samples >= 0
        and frames == samples // state.layout.hop == position
        and not any(unused)
        and 0 <= int(counters[SPEECH_FRAMES]) <= frames
        and bool(np.isfinite(state.sums).all() and np.isfinite(state.tail).all())
        and bool(np.isfinite(state.level).all())
        and bool(np.isfinite(state.tacn[_TACN_HEADER:].view(np.float32)).all())
    )


def _resampler_accepts(lane: Lane) -> bool:
    """Whether the resampler takes its section for its own; tried out on a copy."""
    try:
        lane.resampler.process(np.zeros(1, np.float32), lane.state.resampler.copy())
    except KernelError:
        return False
    return True
