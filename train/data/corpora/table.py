"""A folder of recordings with one CSV that describes them."""

from dataclasses import replace
from pathlib import Path

from train.data.corpora.files import visible
from train.data.manifest import COLUMNS, CorpusError, Recording, read_manifest


def read_table(folder: Path) -> list[Recording]:
    """The recordings that the folder's only CSV, or its ``manifest.csv``, lists.

    Its columns are the manifest's: path (relative to the CSV's folder), corpus, speaker, emotion,
    and optionally language, text and perceived. Speakers get their corpus as a prefix, unless they
    have it, so that "01" in two corpora is two speakers.
    """
    tables = sorted(filter(visible, folder.glob("*.csv")))
    if (named := folder / "manifest.csv") in tables:
        tables = [named]
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "none"
        raise CorpusError(
            f"{folder} has no one table (it has {found}): expected manifest.csv or a single CSV "
            f"with the columns {', '.join(COLUMNS)}"
        )
    recordings = read_manifest(tables[0])
    if not recordings:
        raise CorpusError(f"{tables[0]} lists nothing: expected a row for each recording")
    for recording in recordings:
        if not recording.path.is_file():
            raise CorpusError(
                f"no recording at {recording.path}: expected it, as {tables[0].name} lists it"
            )
    return [replace(r, speaker=_speaker(r)) for r in recordings]


def _speaker(recording: Recording) -> str:
    speaker, prefix = recording.speaker, f"{recording.corpus}-"
    return speaker if not speaker or speaker.startswith(prefix) else prefix + speaker
