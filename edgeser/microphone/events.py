"""What iterating a microphone yields: audio and events, in order, with times of one clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Cause = Literal["slow reader", "overflow", "lost device"]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Sound."""

    time: float
    """Seconds on the microphone's clock, of the first sample."""
    samples: npt.NDArray[np.int16]
    """(n, channels), n of 1 or more."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing audio. The clock counts it, so later times are correct."""

    time: float
    """Seconds on the microphone's clock, of the first missing sample."""
    samples: int
    """How many are missing, per channel."""
    seconds: float
    """The same in seconds."""
    cause: Cause
    """``slow reader``: the ring was full, and its oldest sound gave way to the newest; exact.

    ``overflow``: the system dropped sound before it could be fetched; measured by the clock on
    the wall. ``lost device``: it was away; measured likewise.
    """


@dataclass(frozen=True, slots=True)
class Lost:
    """The device is lost: unplugged, taken by another program, or mute."""

    time: float
    """Seconds on the microphone's clock."""
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """The device is back: a gap for the missed audio follows, then audio."""

    time: float
    """Seconds on the microphone's clock, the gap not counted yet."""
    device: str
    """Its name."""


Event: TypeAlias = Gap | Lost | Found
Item: TypeAlias = Chunk | Event
