"""What a pack consists of: names of its files, and a file of recordings."""

from dataclasses import dataclass

INDEX = "index.json"
TEACHER = "teacher.safetensors"
PROJECTION = "projection.npz"
ROOMS = "rooms.npz"


@dataclass(frozen=True)
class Group:
    """One file of recordings."""

    file: str
    corpus: str
    starts: list[int]
    lengths: list[int]
    emotions: list[int]
    """Which label, or -1."""
    held: list[bool]
    """Whose speaker only shows how far the training got."""
