"""Expands the files and folders on a command line to recordings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeser.audio.opened import is_pipe
from edgeser.errors import AudioError

SUFFIXES = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64"}
    | {".rf64", ".wav", ".wave"}
)
"""Of what libsndfile reads and people keep. A file that is named itself may end as it likes."""


OTHERS = frozenset(
    {".3gp", ".aac", ".ac3", ".alac", ".amr", ".ape", ".avi", ".awb", ".dss", ".ds2", ".gsm"}
    | {".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp2", ".mp4", ".mpc", ".mpg", ".mpeg", ".nist"}
    | {".opx", ".pcm", ".qcp", ".ra", ".raw", ".rm", ".shn", ".snd", ".sph", ".spx", ".ts"}
    | {".voc", ".vox", ".webm", ".wma", ".wmv", ".wv"}
)
"""What holds sound too and is left out of folders, which is mentioned."""


_ESCAPED = re.compile(r"[\ud800-\udfff]|\\ud[89a-f][0-9a-f]{2}")
"""A surrogate, which stands for a byte that is no text, or what :func:`printable` makes of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What files and folders amount to."""

    files: list[Path]
    """Each once, in order."""
    left_out: list[Path]
    """Of folders: what holds sound by its name, but of a kind that is not read, or is no file."""


def recordings(paths: Iterable[Path]) -> Found:
    """The files among ``paths``, and the recordings in and below the folders.

    Hidden files are left out; links to folders are not followed.

    Raises:
        AudioError: a folder holds no recording.
        OSError: a folder cannot be read.
    """
    known: dict[Path, None] = {}
    left_out: list[Path] = []
    for path in paths:
        if not _is_folder(path):
            known[path] = None
            continue
        found, others = _below(path)
        left_out += others
        if not found:
            kinds = ", ".join(sorted(SUFFIXES))
            also = f"; {mention(others)}" if others else ""
            raise AudioError(f"{path}: there is no recording in this folder ({kinds}){also}")
        known.update(dict.fromkeys(found))
    return Found(list(known), left_out)


def mention(left_out: Sequence[Path]) -> str:
    """One line on what was left out."""
    kinds = ", ".join(sorted({path.suffix.lower() for path in left_out}))
    those = f"{left_out[0]} is" if len(left_out) == 1 else f"{len(left_out)} files are"
    return (
        f"{those} left out, of kinds that are not read in folders ({kinds}): convert what is to be "
        "judged, for example with ffmpeg"
    )


def printable(name: object) -> str:
    r"""A file's name for a table: valid text, and never that of another file.

    Bytes that are no text are written as ``\udcff``, and backslashes in such a name twice. A name
    that has these characters itself gets its backslashes doubled too, or it would be that of the
    file with the byte. Every other name stays as it is.
    """
    text = str(name)
    if not _ESCAPED.search(text):
        return text
    return text.replace("\\", r"\\").encode("utf-8", "backslashreplace").decode()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # it is named when it is opened
        return False


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    found: list[Path] = []
    others: list[Path] = []
    for at, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(at, name)
            suffix = path.suffix.lower()
            if name.startswith(".") or suffix not in SUFFIXES | OTHERS:
                continue
            # A pipe in a folder might never end.
            (found if suffix in SUFFIXES and not is_pipe(path) else others).append(path)
    return found, others


def _raise(error: OSError) -> None:
    raise error
