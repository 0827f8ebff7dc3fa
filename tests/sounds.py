"""Audio for tests: noise, and something that a level follower and a filter bank take for speech."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeser import EmotionFrame, Stream

Samples = npt.NDArray[np.float32]


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Samples:
    """White noise of standard deviation ``level``."""
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def speech_like(seconds: float, rate: int = 16_000, seed: int = 0) -> Samples:
    """Harmonics on a wandering pitch, in syllables, with pauses, over a little noise; peak 0.3."""
    random = np.random.default_rng(seed)
    n = round(seconds * rate)
    t = np.arange(n) / rate
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.4 * t + random.uniform(0, 6)) + 15 * np.sin(9 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * t + random.uniform(0, 6)), 0, None)
    phrases = np.sin(2 * np.pi * 0.25 * t + random.uniform(0, 6)) > -0.5
    sound = voice * syllables * phrases + 0.003 * random.standard_normal(n)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def push(stream: Stream, sound: npt.NDArray[np.generic], chunk: int) -> list[EmotionFrame]:
    """Push all of ``sound`` in chunks of one size; flush is left to the caller."""
    frames: list[EmotionFrame] = []
    for at in range(0, len(sound), chunk):
        frames += stream.process(sound[at : at + chunk])
    return frames


def whole(stream: Stream, sound: npt.NDArray[np.generic]) -> list[EmotionFrame]:
    """Every frame of an utterance pushed in one chunk, those of the flush included."""
    return [*stream.process(sound), *stream.flush().frames]
