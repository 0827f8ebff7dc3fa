"""The contents of a pack: file names, and the description of a file of recordings."""

from dataclasses import dataclass

from train.models.segment import SAMPLE_RATE

INDEX = "index.json"
TEACHER = "teacher.safetensors"
PROJECTION = "projection.npz"
ROOMS = "rooms.npz"
RESPONSE = SAMPLE_RATE // 2
"""Length of an impulse response, starting with the direct sound."""


@dataclass(frozen=True)
class Group:
    """One file of recordings."""

    file: str
    corpus: str
    starts: list[int]
    lengths: list[int]
    emotions: list[int]
    """Index of the label, or -1."""
    held: list[bool]
    """Whether its speaker is only for testing the training's progress."""
