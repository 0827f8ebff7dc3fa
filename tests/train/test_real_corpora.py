"""Corpus readers that parse file names agree with the manifest of the real recordings."""

from pathlib import Path

import pytest

from train.data.corpora import read
from train.data.manifest import read_manifest

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="no real recordings: ../shared/data is absent"
)


@pytest.mark.parametrize(
    ("corpus", "utterances", "speakers"),
    [("emodb", 535, 10), ("cremad", None, 91), ("ravdess", 1200, 20)],
)
def test_reader_gives_what_the_manifest_says(
    corpus: str, utterances: int | None, speakers: int
) -> None:
    listed = {
        r.path.name: (r.speaker, r.emotion, r.language, r.text)
        for r in read_manifest(DATA / "manifest.csv")
        if r.corpus == corpus
    }
    found = read(corpus, DATA / corpus)
    assert {r.path.name: (r.speaker, r.emotion, r.language, r.text) for r in found} == listed
    assert len({r.speaker for r in found}) == speakers
    assert utterances is None or len(found) == utterances
