"""Readers of corpora as their publishers lay them out on disk, each to a list of recordings.

Every reader takes the corpus's folder, needs nothing from outside it, opens no audio, and names a
missing or odd file with a :class:`train.data.manifest.CorpusError` that says what was expected.
Speakers are ``corpus-id``, so that no two corpora share one by accident.
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

    Raises CorpusError if no such corpus is known, or if the folder is not what it should be.
    """
    if name not in READERS:
        raise CorpusError(f"no reader for the corpus {name!r}; there are {', '.join(READERS)}")
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder}: expected the {name} corpus there")
    return sorted(READERS[name](folder), key=lambda recording: recording.path)
