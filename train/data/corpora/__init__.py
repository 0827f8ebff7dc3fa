"""Readers of corpora in their published layout; each returns a list of recordings.

A reader takes the corpus's folder, needs nothing outside of it, and opens no audio. For a missing
or unexpected file it raises :class:`train.data.manifest.CorpusError`, which says what was expected.
Speakers are named ``corpus-id``, so that they differ between corpora.
"""

from collections.abc import Callable
from pathlib import Path

from train.data.corpora.cremad import read_cremad
from train.data.corpora.emodb import read_emodb
from train.data.corpora.emovdb import read_emovdb
from train.data.corpora.iemocap import read_iemocap
from train.data.corpora.librispeech import read_librispeech
from train.data.corpora.ravdess import read_ravdess
from train.data.corpora.table import read_table
from train.data.manifest import CorpusError, Recording

READERS: dict[str, Callable[[Path], list[Recording]]] = {
    "cremad": read_cremad,
    "emodb": read_emodb,
    "emovdb": read_emovdb,
    "iemocap": read_iemocap,
    "librispeech": read_librispeech,
    "ravdess": read_ravdess,
    "table": read_table,
}


def read(name: str, folder: Path) -> list[Recording]:
    """The recordings of the corpus ``name`` under ``folder``, ordered by path.

    Raises CorpusError for an unknown corpus, or if the folder has another layout.
    """
    if name not in READERS:
        raise CorpusError(f"no reader for the corpus {name!r}; there are {', '.join(READERS)}")
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder}: expected the {name} corpus there")
    return sorted(READERS[name](folder), key=lambda recording: recording.path)
