"""The seam for whoever steps streams elsewhere than in the compiled core: on a GPU, or in a test.

The core cuts segments, and decides who is heard, relative to what, and where a sequence ends; a
:class:`Stepper` makes tokens of segments and logits of tokens. ``csrc/stream/README.md`` has the
order.
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
    """What streams of a model are stepped by: the engine of a CPU, or of another device.

    Shared by all streams of a model, on all threads.
    """

    @property
    def bundle(self) -> Bundle:
        """The model."""

    @property
    def precision(self) -> Precision:
        """Of the weights."""

    @property
    def core(self) -> native.Core:
        """What the streams are of."""

    @property
    def backend(self) -> str:
        """What executes the model."""

    @property
    def simd(self) -> str:
        """The instruction set of what the CPU does of it."""

    def process(
        self, streams: Sequence[native.Stream], chunks: Sequence[Chunk]
    ) -> list[tuple[list[native._Frame], list[native._Event]]]:
        """Let each stream hear its chunk: the frames and events of each. All or nothing."""

    def flush(
        self, stream: native.Stream
    ) -> tuple[list[native._Frame], list[native._Event], native._Verdict]:
        """End a stream's sound: its last frames and events, and the verdict."""

    def calibrate(self, stream: native.Stream, chunk: Chunk) -> None:
        """Let a stream learn its speaker from neutral speech."""

    def settle(self, stream: native.Stream) -> None:
        """Bring the rings of a stream up to date with whatever device has stepped them."""


class Stepper(Protocol):
    """Front end, lookup and TACN somewhere else, and the rings of the streams there."""

    @property
    def largest_batch(self) -> int:
        """Rows that go together at most."""

    def tokens(self, segments: Floats, levels: Floats) -> tuple[Floats, Floats]:
        """Segments (B, segment) and running levels (B,) to raw tokens (B, C) and levels (B,)."""

    def step(
        self, streams: Sequence[native.Stream], begins: Sequence[bool], tokens: Floats
    ) -> Floats:
        """Step the TACN of different streams by a token (R, C) each; logits (R, L).

        ``begins``: whose sequence begins; its rings are empty, whatever they held.
        ``stream.tokens`` counts this token already.
        """

    def turn(
        self, streams: Sequence[native.Stream], hops: Sequence[int]
    ) -> AbstractContextManager[None]:
        """Around one call over streams that will hear at most so many hops each.

        If the block raises, for whatever reason, what :meth:`step` did in it never was.
        """


def take_turn(
    core: native.Core,
    streams: Sequence[native.Stream],
    chunks: Sequence[Chunk] | None,
    kind: Kind,
    stepper: Stepper,
) -> list[Any]:
    """One call over streams of ``core``, stepped by ``stepper``; what each would return.

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
    """Hops that each stream hears at most: what it gets, and what its resampler holds."""
    seconds = [0.0] * len(streams)
    if chunks is not None:
        seconds = [len(c) / s.sample_rate for s, c in zip(streams, chunks, strict=True)]
    return [int(length / core.hop) + 3 for length in seconds]
