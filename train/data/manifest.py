"""One table of recordings for all corpora."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

REQUIRED = {"path", "corpus", "speaker", "emotion"}
COLUMNS = ("path", "corpus", "speaker", "emotion", "language", "text", "seconds", "perceived")


class CorpusError(Exception):
    """A corpus or file is missing or unexpected; the message names it and what was expected."""


@dataclass(frozen=True)
class Recording:
    """One recording: who said what and how. Unknown fields are empty."""

    path: Path
    corpus: str
    speaker: str
    emotion: str
    language: str
    text: str
    perceived: str = ""


def read_manifest(path: Path) -> list[Recording]:
    """Recordings listed in a ``manifest.csv``; paths in it are relative to its folder."""
    if not path.is_file():
        raise CorpusError(
            f"no manifest at {path}: expected a CSV with the columns {', '.join(COLUMNS)}"
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel begins with a mark
            rows = csv.DictReader(file)
            missing = REQUIRED - set(rows.fieldnames or ())
            if missing:
                raise CorpusError(
                    f"{path} lacks the column(s) {', '.join(sorted(missing))}: expected their "
                    "names in its first line, separated by commas"
                )
            return [_listed(path, rows.line_num, row) for row in rows]
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not in UTF-8: save it as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error


def _listed(table: Path, line: int, row: Mapping[str, str | None]) -> Recording:
    absent = sorted(name for name in REQUIRED if row[name] is None)
    if absent:
        raise CorpusError(f"{table}, line {line}: has no {', '.join(absent)}: fill it in")
    path, corpus, speaker, emotion, language, text, _, perceived = (
        row.get(name) or "" for name in COLUMNS
    )
    return Recording(table.parent / path, corpus, speaker, emotion, language, text, perceived)


def write_manifest(path: Path, recordings: Sequence[Recording]) -> None:
    """Write a ``manifest.csv`` that :func:`read_manifest` reads back.

    Paths below its folder become relative to it, others absolute. The header of every recording is
    read for its length, so that unreadable files are found now and not during training.

    Raises CorpusError if a recording is missing, unreadable or listed twice.
    """
    rows, listed, folder = [], set(), path.resolve().parent
    for recording in recordings:
        place = recording.path.resolve()
        if place in listed:
            raise CorpusError(f"{recording.path} is listed twice: expected each recording once")
        listed.add(place)
        shown = place.relative_to(folder) if place.is_relative_to(folder) else place
        described = (recording.corpus, recording.speaker, recording.emotion, recording.language)
        seconds = f"{_seconds(recording.path):.2f}"
        rows.append((shown.as_posix(), *described, recording.text, seconds, recording.perceived))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _seconds(path: Path) -> float:
    if not path.is_file():
        raise CorpusError(f"no recording at {path}: the corpus is incomplete or was moved")
    try:
        seconds: float = soundfile.info(path).duration
    except soundfile.LibsndfileError as error:
        raise CorpusError(f"cannot read {path}: {error}; expected a sound file") from error
    return seconds
