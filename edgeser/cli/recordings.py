"""Which files are meant by the files and folders on a command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeser.errors import AudioError

SUFFIXES = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64"}
    | {".rf64", ".wav", ".wave"}
)
"""Of what libsndfile reads and people keep. A file that is named itself may end as it likes."""


def recordings(paths: Iterable[Path]) -> Iterator[Path]:
    """The files among ``paths``, and the recordings in and below the folders, each once, in order.

    Hidden files are left out; links to folders are not followed.

    Raises:
        AudioError: a folder holds no recording.
        OSError: a folder cannot be read.
    """
    known: set[Path] = set()
    for path in paths:
        found = _below(path) if path.is_dir() else [path]
        if not found:
            kinds = ", ".join(sorted(SUFFIXES))
            raise AudioError(f"{path}: there is no recording in this folder ({kinds})")
        for file in found:
            if file not in known:
                known.add(file)
                yield file


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for at, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += (
            Path(at, name)
            for name in sorted(names)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        )
    return found


def _raise(error: OSError) -> None:
    raise error
