"""Reads whole recordings in blocks, from files or arrays."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeser.audio.chunk import check_rate
from edgeser.audio.containers import spans
from edgeser.audio.decoder import Block, Decoder
from edgeser.audio.opened import opened, part_of
from edgeser.audio.span import Bytes, Span
from edgeser.errors import AudioError

BLOCK_SECONDS = 4
"""How much of a recording is in memory at a time."""
_BLOCK_SAMPLES = 1 << 21
"""And at most so many samples, of all channels together."""
_SHORTEST = 0.05
"""Seconds of a file; in less there is not even a vowel."""
_LEAST_LEFT = 1.0
"""Seconds that must be left of a file that was cut short."""

log = logging.getLogger("edgeser")


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording with a rate, a length and blocks; the blocks can be read once."""

    source: str | None
    sample_rate: int
    length: int
    """Samples per channel, as far as the file knows; 0 if it does not."""
    blocks: Iterator[npt.NDArray[Any]]
    """(n, channels), or of an array whatever it holds."""


@contextmanager
def open_recording(
    source: str | os.PathLike[str] | npt.NDArray[Any], sample_rate: int | None
) -> Iterator[Recording]:
    """Opens a file, a pipe (``-`` is standard input), or an array with its rate.

    A truncated file is read to its end, and a warning is logged. If several recordings are joined
    in one file, all are read.

    Raises:
        AudioError: it cannot be opened, is empty, or ``sample_rate`` is missing or superfluous;
            from the blocks: it is damaged, or almost all of it is missing.
    """
    if isinstance(source, str | os.PathLike):
        if sample_rate is not None:
            raise AudioError("a file contains its sample rate: omit sample_rate")
        with _open_file(Path(source)) as recording:
            yield recording
        return
    if not isinstance(source, np.ndarray):
        raise AudioError(
            "a recording must be a path or a numpy array, not "
            f"{type(source).__name__}: pass the file's path, or an array with sample_rate="
        )
    if sample_rate is None:
        raise AudioError("an array has no sample rate: pass sample_rate=")
    yield _from_array(source, check_rate(sample_rate))


def _from_array(array: npt.NDArray[Any], sample_rate: int) -> Recording:
    length = len(array) if array.ndim else 0
    if length == 0:
        raise AudioError("the recording is empty: there is nothing to judge")
    step = BLOCK_SECONDS * sample_rate
    return Recording(
        None, sample_rate, length, (array[at : at + step] for at in range(0, length, step))
    )


@contextmanager
def _open_file(path: Path) -> Iterator[Recording]:
    try:
        with opened(path) as file, ExitStack() as first:
            found = spans(Bytes(file))
            decoder = first.enter_context(_decoder(file, found[0]))
            length = decoder.length if len(found) == 1 else 0
            blocks = _blocks(path, file, found, decoder, first)
            yield Recording(str(path), decoder.rate, length, blocks)
    except AudioError as error:
        if str(error).startswith(str(path)):
            raise
        raise AudioError(f"{path}: {error}") from None
    except OSError as error:
        if error.filename is not None:  # from the caller's code inside the `with` block
            raise
        raise AudioError(f"{path}: cannot be read: {error.strerror}") from None


@contextmanager
def _decoder(file: BinaryIO, span: Span) -> Iterator[Decoder]:
    with part_of(file, span) as part, Decoder(part) as decoder:
        yield decoder


def _blocks(
    path: Path, file: BinaryIO, found: list[Span], first: Decoder, opened_first: ExitStack
) -> Iterator[Block]:
    """The samples of all parts; closes the first before it opens the second."""
    with opened_first:
        yield from _part(path, found[0], first, alone=len(found) == 1)
    given = first.given
    for number, span in enumerate(found[1:], 2):
        with _decoder(file, span) as decoder:
            if decoder.rate != first.rate:
                raise AudioError(
                    f"recordings at {first.rate} and {decoder.rate} Hz are joined in this file: "
                    f"part {number} of {len(found)} must be in a separate file"
                )
            yield from _part(path, span, decoder)
            given += decoder.given
    if given == 0:
        raise AudioError("the file contains no audio")


def _part(path: Path, span: Span, decoder: Decoder, *, alone: bool = False) -> Iterator[Block]:
    most = max(1_024, min(BLOCK_SECONDS * decoder.rate, _BLOCK_SAMPLES // decoder.channels))
    # Reads the first block before yielding anything, so that a file that ends at once is refused.
    block = decoder.read(most)
    missing = _missing(span, decoder, ended=len(block) < most)
    if missing and len(block) < _LEAST_LEFT * decoder.rate:
        raise AudioError(
            f"is cut short: it contains only {len(block) / decoder.rate:.2f} s ({missing}); get "
            "the whole file"
        )
    if (
        alone and 0 < len(block) < _SHORTEST * decoder.rate
    ):  # some formats do not state their length
        raise AudioError(
            f"contains only {len(block) / decoder.rate:.3f} s of audio: it was cut short, or is "
            "not a recording"
        )
    if missing:
        log.warning("%s: is cut short (%s): what is left is judged", path, missing)
    elif not span.ends:
        log.warning("%s: has no end, as if it were cut short: what there is is judged", path)
    while len(block):
        yield block
        block = decoder.read(most)


def _missing(span: Span, decoder: Decoder, *, ended: bool) -> str:
    """Describes how much is missing; empty if nothing is, according to the file."""
    if span.share < 1:
        return f"{span.share:.0%} of its bytes are there"
    if ended and decoder.length > decoder.given + decoder.rate // 10:
        return f"it says that it has {decoder.length / decoder.rate:.1f} s"
    return ""
