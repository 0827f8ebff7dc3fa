"""Audio for tests: noise, and voices."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import edgeser
from edgeser import EmotionFrame, Stream

Samples = npt.NDArray[np.float32]
SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Samples:
    """White noise of standard deviation ``level``."""
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def speech_like(seconds: float, rate: int = 16_000, seed: int = 0) -> Samples:
    """Voices: the package's sample from somewhere on, again and again; peak 0.3.

    A gate opens for it, which it does not for anything simpler.
    """
    sound = _voices(rate)
    n = round(seconds * rate)
    begin = round(0.6 * rate) + 4_801 * seed
    cut = np.resize(np.roll(sound, -(begin % len(sound))), n)
    return (0.3 * cut / np.abs(cut).max()).astype(np.float32)


@cache
def _voices(rate: int) -> Samples:
    samples, own = soundfile.read(SAMPLE, dtype="float32")
    at = np.arange(len(samples) * rate // own) * (own / rate)
    sound = np.interp(at, np.arange(len(samples)), samples)  # good enough for a gate
    return np.asarray(sound + noise(len(sound), level=1e-4), np.float32)


def push(stream: Stream, sound: npt.NDArray[np.generic], chunk: int) -> list[EmotionFrame]:
    """Push all of ``sound`` in chunks of one size; flush is left to the caller."""
    frames: list[EmotionFrame] = []
    for at in range(0, len(sound), chunk):
        frames += stream.process(sound[at : at + chunk])
    return frames


def whole(stream: Stream, sound: npt.NDArray[np.generic]) -> list[EmotionFrame]:
    """Every frame of an utterance that is pushed in one chunk, including those of the flush."""
    return [*stream.process(sound), *stream.flush().frames]
