"""The protocols of a backend: what executes a model outside the compiled core.

The core cuts segments, runs the speech gate, normalises by the speaker and ends sequences. A
:class:`Stepper` computes tokens from segments, and logits from tokens. ``csrc/stream/README.md``
has the order of the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edgeser.bundle import Bundle
from edgeser.native import kernels
from edgeser.options import Precision

if TYPE_CHECKING:
    from edgeser import _kernels as native

Chunk = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Kind = Literal["process", "flush", "calibrate"]


class Executor(Protocol):
    """The engine of a model: advances its streams, on the CPU or on another device.

    Shared by all streams of a model, on all threads.
    """

    @property
    def bundle(self) -> Bundle:
        """The model."""

    @property
    def precision(self) -> Precision:
        """The number format of the weights."""

    @property
    def core(self) -> native.Core:
        """The core that the streams belong to."""

    @property
    def backend(self) -> str:
        """The name of the backend in use."""

    @property
    def simd(self) -> str:
        """The instruction set of the CPU part."""

    def process(
        self, streams: Sequence[native.Stream], chunks: Sequence[Chunk]
    ) -> list[tuple[list[native._Frame], list[native._Event]]]:
        """Processes a chunk of each stream; returns the frames and events of each.

        All or nothing.
        """

    def flush(
        self, stream: native.Stream
    ) -> tuple[list[native._Frame], list[native._Event], native._Verdict]:
        """Ends the audio of a stream; returns its last frames and events, and the verdict."""

    def calibrate(self, stream: native.Stream, chunk: Chunk) -> None:
        """Replaces the statistics of a stream's speaker by those of neutral speech."""

    def settle(self, stream: native.Stream) -> None:
        """Copies the rings of a stream from the device into its state block."""


class Stepper(Protocol):
    """The arithmetic of another device: front end, lookup and TACN. It owns the rings there."""

    @property
    def largest_batch(self) -> int:
        """Largest number of rows in a call."""

    def tokens(self, segments: Floats, levels: Floats) -> tuple[Floats, Floats]:
        """Computes raw tokens (B, C) and levels (B,).

        From segments (B, segment) and running levels (B,), dBFS.
        """

    def step(
        self, streams: Sequence[native.Stream], begins: Sequence[bool], tokens: Floats
    ) -> Floats:
        """Advances the TACN of different streams by a token (R, C) each; returns logits (R, L).

        ``begins`` marks the streams whose sequence begins: their rings count as empty.
        ``stream.tokens`` includes this token already.
        """

    def turn(
        self, streams: Sequence[native.Stream], hops: Sequence[int]
    ) -> AbstractContextManager[None]:
        """Context manager around one call, in which each stream has at most this number of hops.

        If its block raises, it undoes every :meth:`step` in it.
        """


def take_turn(
    core: native.Core,
    streams: Sequence[native.Stream],
    chunks: Sequence[Chunk] | None,
    kind: Kind,
    stepper: Stepper,
) -> list[Any]:
    """Runs one call over streams of ``core`` with ``stepper``; returns the result of each stream.

    Raises:
        AudioError, StateError, StreamBusyError, BackendError: all streams are as before.
    """
    own = [] if kind == "calibrate" else streams  # which opens no row
    with (
        kernels().Turn(core, streams, chunks, kind=kind, steps=False) as turn,
        stepper.turn(own, _hops(core, streams, chunks)),  # now that the chunks are checked
    ):
        while True:
            rows, segments, levels = turn.segments(stepper.largest_batch)
            if not rows:
                finished: list[Any] = turn.finish()
                return finished
            opened, heard, begins = turn.tokens(*stepper.tokens(segments, levels))
            if opened:
                logits = stepper.step([streams[row] for row in opened], begins.tolist(), heard)
                turn.logits(logits)


def _hops(
    core: native.Core, streams: Sequence[native.Stream], chunks: Sequence[Chunk] | None
) -> list[int]:
    """Upper bound on the hops of each stream, with the samples in its resampler."""
    seconds = [0.0] * len(streams)
    if chunks is not None:
        seconds = [len(c) / s.sample_rate for s, c in zip(streams, chunks, strict=True)]
    return [int(length / core.hop) + 3 for length in seconds]
