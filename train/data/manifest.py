"""One table of recordings, whatever corpus they come from."""

import csv
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("path", "corpus", "speaker", "emotion", "language", "text", "seconds", "perceived")


class CorpusError(Exception):
    """A corpus or file is missing or odd; the message names it and what was expected."""


@dataclass(frozen=True)
class Recording:
    """One file: who said what and how. Unknown fields are empty."""

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
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = {"path", "corpus", "speaker", "emotion"} - set(rows.fieldnames or ())
        if missing:
            raise CorpusError(f"{path} lacks the column(s) {', '.join(sorted(missing))}")
        return [
            Recording(
                path.parent / row["path"],
                row["corpus"],
                row["speaker"],
                row["emotion"],
                row.get("language", ""),
                row.get("text", ""),
                row.get("perceived", ""),
            )
            for row in rows
        ]
