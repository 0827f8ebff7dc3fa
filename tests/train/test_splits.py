"""Splits: test data is never training data, or the split says so."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from train.data.manifest import Recording, read_manifest
from train.data.splits import (
    grouped_splits,
    random_split,
    speaker_folds,
    text_folds,
    text_of,
)

DATA = Path(__file__).parents[3] / "shared" / "data"
REAL = read_manifest(DATA / "manifest.csv") if DATA.is_dir() else []
real = pytest.mark.skipif(not REAL, reason="no real recordings: ../shared/data is absent")
SPOKEN = ("emodb", "cremad", "ravdess", "librispeech", "speechocean762")


def of(corpus: str) -> list[Recording]:
    return [r for r in REAL if r.corpus == corpus]


@pytest.fixture(scope="module")
def made() -> list[Recording]:
    """Two corpora whose texts have the same ids; 8 speakers, 6 texts, 2 emotions, 2 takes."""
    return [
        Recording(Path(f"{c}-{s}-{t}-{e}-{take}"), c, f"{c}-{s}", e, "", f"0{t}")
        for c, s, t, e in product("ab", range(8), range(6), ("anger", "neutral"))
        for take in range(1 + 2 * (e == "neutral"))
    ]


def test_speakers_texts_or_both_are_kept_apart(made: list[Recording]) -> None:
    for speakers, texts in ((4, 1), (1, 3), (4, 3)):
        splits = grouped_splits(made, speakers, texts)
        assert len(splits) == speakers * texts
        tested = Counter(r.path for split in splits for r in split.test)
        assert tested == Counter(r.path for r in made)  # each exactly once
        for split in splits:
            assert split.train
            assert {r.corpus for r in split.test} == {"a", "b"}
            assert bool(split.shared_speakers) == (speakers == 1)
            assert bool(split.shared_texts) == (texts == 1)
    both = grouped_splits(made, 4, 3)[0]
    assert len(both.train) == len(made) * 3 // 4 * 2 // 3
    assert str(both) == (
        "speakers 1/4, texts 1/3: 192 to train, 32 to test; shares no speakers; shares no texts"
    )


def test_folds_do_not_depend_on_the_order(made: list[Recording]) -> None:
    assert text_folds(made, 3) == text_folds(made[::-1], 3)
    assert text_folds(made, 3) != text_folds(made, 3, seed=1)
    assert set().union(*text_folds(made, 3)) == {text_of(r) for r in made}
    forward, backward = random_split(made), random_split(made[::-1])
    assert set(forward.test) == set(backward.test)


def test_folds_that_cannot_be_are_refused(made: list[Recording]) -> None:
    with pytest.raises(ValueError, match="a has 6 texts, too few for 7 folds"):
        text_folds(made, 7)
    with pytest.raises(ValueError, match="1 folds of speakers and 1 of texts leave nothing"):
        grouped_splits(made, 1, 1)
    silent = Recording(Path("x.wav"), "c", "c-1", "anger", "", "")
    with pytest.raises(ValueError, match=r"c does not say what was said in x\.wav"):
        text_folds([*made, silent], 2)
    with pytest.raises(ValueError, match="the share to test on is 1"):
        random_split(made, 1.0)


def test_the_papers_split_keeps_proportions_and_says_what_it_shares(made: list[Recording]) -> None:
    split = random_split(made)
    assert not set(split.train) & set(split.test)
    assert Counter((*split.train, *split.test)) == Counter(made)
    counts = Counter((r.corpus, r.emotion) for r in split.test)
    assert counts == {(c, e): n for c in "ab" for e, n in (("anger", 10), ("neutral", 29))}
    assert len(split.shared_speakers) == 16
    assert "as in the paper: 306 to train, 78 to test" in str(split)
    assert "SHARES speakers (16 of 16 tested are trained on)" in str(split)
    assert "SHARES texts (12 of 12 tested are trained on)" in str(split)
    assert random_split(made, seed=1).test != split.test


@real
@pytest.mark.parametrize("corpus", SPOKEN)
def test_real_speakers_are_disjoint(corpus: str) -> None:
    recordings = of(corpus)
    splits = grouped_splits(recordings, 5)
    assert not any(split.shared_speakers for split in splits)
    assert Counter(r.path for s in splits for r in s.test) == Counter(r.path for r in recordings)
    assert all(len(s.train) + len(s.test) == len(recordings) for s in splits)
    assert "shares no speakers" in str(splits[0])
    unknown = not recordings[0].text
    assert str(splits[0]).endswith("not known whether it shares texts") == unknown


@real
@pytest.mark.parametrize(("corpus", "texts"), [("emodb", 5), ("cremad", 4), ("ravdess", 2)])
def test_real_speakers_and_texts_are_disjoint(corpus: str, texts: int) -> None:
    recordings = of(corpus)
    for speakers in (1, 5):
        splits = grouped_splits(recordings, speakers, texts)
        tested = Counter(r.path for s in splits for r in s.test)
        assert tested == Counter(r.path for r in recordings)
        for split in splits:
            assert split.train
            assert split.test
            assert not split.shared_texts
            assert bool(split.shared_speakers) == (speakers == 1)


@real
def test_real_sounds_without_speakers_or_texts_are_refused() -> None:
    for corpus in ("librispeech", "speechocean762"):
        with pytest.raises(ValueError, match=f"{corpus} does not say what was said"):
            grouped_splits(of(corpus), 1, 2)
    for corpus in ("noise", "rir"):
        with pytest.raises(ValueError, match=f"{corpus} has 1 speakers, too few"):
            grouped_splits(of(corpus), 5)


@real
@pytest.mark.parametrize("corpus", ["emodb", "cremad", "ravdess"])
def test_the_papers_split_of_real_corpora_shares_speakers(corpus: str) -> None:
    split = random_split(of(corpus))
    total = Counter(r.emotion for r in of(corpus))
    for emotion, count in Counter(r.emotion for r in split.test).items():
        assert abs(count - 0.2 * total[emotion]) <= 0.5
    assert "SHARES speakers" in str(split)


@real
def test_folds_of_the_bundled_model_stay_what_they_were() -> None:
    folds = speaker_folds(of("emodb") + of("cremad"), 5)
    # A trained model's figures are those of speakers it has not heard only while these hold.
    assert [sorted(s for s in fold if "emodb" in s) for fold in folds] == [
        ["emodb-15", "emodb-16"],
        ["emodb-08", "emodb-11"],
        ["emodb-13", "emodb-14"],
        ["emodb-03", "emodb-10"],
        ["emodb-09", "emodb-12"],
    ]
