"""Finds the recordings in a folder."""

from pathlib import Path

from train.data.manifest import CorpusError

AUDIO = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3"})


def visible(path: Path) -> bool:
    """Whether a file belongs to the corpus: archives made on macOS add a ``._`` file for each."""
    return not path.name.startswith(".")


def audio_files(folder: Path, expected: str) -> list[Path]:
    """The recordings directly in ``folder``, ordered by name.

    Raises CorpusError, which says what was ``expected``, if there are none.
    """
    found = [p for p in folder.glob("*") if p.suffix.lower() in AUDIO and visible(p)]
    if not found:
        raise CorpusError(f"no recordings in {folder}: expected {expected}")
    return sorted(found)


def odd_name(path: Path, expected: str) -> CorpusError:
    """The error for a recording with an unexpected name."""
    return CorpusError(f"odd file name {path}: expected {expected}")
