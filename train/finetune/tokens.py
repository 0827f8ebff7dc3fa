"""Your own recordings as tokens of a parent's front end and gate."""

import zlib
from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from train.data.augment import Room, Sounds
from train.data.manifest import Recording
from train.models.emotion import EmotionModel
from train.models.segment import HOP, LEAD, SAMPLE_RATE
from train.product import IN_ROOMS, speech_tokens
from train.sessions import Utterance

Samples = NDArray[np.float32]
FASTER = 0.12
"""Largest relative change of speed and pitch, from the third room on."""


def heard(
    parent: EmotionModel,
    recordings: Sequence[Recording],
    audio: Sequence[Samples],
    labels: Sequence[str],
    threshold: float,
    rooms: int,
) -> list[Utterance | None]:
    """Utterances with their tokens of speech in several simulated rooms.

    None for a recording without speech; rooms without speech are left out. ``audio`` is mono at 16
    kHz.
    """
    passes: list[list[NDArray[np.float32]]] = [[] for _ in recordings]
    for number in range(rooms):
        waves = [
            in_room(recording, samples, number)
            for recording, samples in zip(recordings, audio, strict=True)
        ]
        for row, tokens in enumerate(speech_tokens(parent, waves, threshold)):
            passes[row].append(tokens)
    found: list[Utterance | None] = []
    for recording, passed in zip(recordings, passes, strict=True):
        if not len(passed[0]):
            found.append(None)
            continue
        target = tuple(float(label == recording.emotion) for label in labels)
        full = tuple(tokens if len(tokens) else passed[0] for tokens in passed)
        found.append(Utterance(full, target, recording.speaker, recording.corpus))
    return found


def in_room(recording: Recording, samples: Samples, number: int) -> Samples:
    """A recording with lead-in: unchanged (room 0), or in a simulated room of its speaker.

    From the third room on, speed and pitch change as well.
    """
    if number == 0:
        hops = -(-len(samples) // HOP)
        return np.pad(samples, (LEAD, hops * HOP - len(samples)))
    seed = zlib.crc32(f"{recording.speaker}/{number}".encode())
    place = np.random.default_rng([seed, zlib.crc32(recording.path.name.encode())])
    if number > 1:
        speed = 1 + np.random.default_rng(seed + 1).uniform(-FASTER, FASTER)
        samples = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE * speed, quality="MQ")
    before = int(place.integers(HOP))
    hops = -(-(before + len(samples)) // HOP)
    return Room(IN_ROOMS, Sounds(), seed)(samples, before, hops)
