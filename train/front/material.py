"""Reads a pack: recordings, sounds without speech, impulse responses, the teacher's location."""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from train.data.music import SoundMaker
from train.front.pack_files import INDEX, PROJECTION, ROOMS, TEACHER, Group
from train.teacher.targets import Projection

Samples = NDArray[np.float32]
NO_SPEECH = ("noise", "music")
SECONDS = 3.0
"""Length of a synthetic sound."""


@dataclass(frozen=True)
class Spoken:
    """A recording of speech."""

    samples: NDArray[np.int16]
    corpus: str
    emotion: int
    held: bool


@dataclass(frozen=True)
class Material:
    """The training data."""

    spoken: list[Spoken]
    sounds: list[NDArray[np.int16]]
    responses: list[Samples]
    teacher: Path
    projection: Projection
    missing: int
    """Number of files in the index that are missing."""


def read(folders: Sequence[Path], threads: int, every: int = 1) -> Material:
    """Reads a pack's parts in these folders; only every n-th recording with ``every``."""
    groups = [Group(**g) for g in json.loads(_find(folders, INDEX).read_text(encoding="utf-8"))]
    there = [g for g in groups if any((f / g.file).is_file() for f in folders)]
    with ThreadPoolExecutor(threads) as pool:
        decoded = list(pool.map(lambda g: _decoded(_find(folders, g.file), g), there))
    spoken, sounds = [], list[NDArray[np.int16]]()
    for group, waves in zip(there, decoded, strict=True):
        if group.corpus in NO_SPEECH:
            sounds += waves
            continue
        known = zip(waves, group.emotions, group.held, strict=True)
        spoken += [Spoken(w, group.corpus, emotion, held) for w, emotion, held in known]
    kept = np.load(_find(folders, PROJECTION))
    rooms = np.load(_find(folders, ROOMS))
    return Material(
        spoken[::every],
        sounds,
        [rooms[name] for name in rooms.files],
        _find(folders, TEACHER),
        Projection(kept["mean"], kept["matrix"]),
        len(groups) - len(there),
    )


def made(count: int, processes: int, seed: int = 0) -> list[NDArray[np.int16]]:
    """Makes so many synthetic sounds without speech."""
    seeds = range(seed, seed + count)
    if processes < 2:
        return [_made(s) for s in seeds]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(_made, seeds, chunksize=4))


def _made(seed: int) -> NDArray[np.int16]:
    sound = SoundMaker(seed)(int(SECONDS * 16_000))
    kept: NDArray[np.int16] = np.rint(sound.clip(-1, 1) * 32767).astype(np.int16)
    return kept


def _find(folders: Sequence[Path], name: str) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"no {name} in {', '.join(map(str, folders))}: the pack has one")


def _decoded(path: Path, group: Group) -> list[NDArray[np.int16]]:
    flat, _ = soundfile.read(path, dtype="int16")
    spans = zip(group.starts, group.lengths, strict=True)
    return [flat[start : start + length] for start, length in spans]
