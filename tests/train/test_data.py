"""Manifests, splits, augmentation and batches."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.train.models import voice
from train.data.augment import Augment, AugmentConfig, speech_frames
from train.data.batches import Batches, Example
from train.data.examples import HELD_OUT_NOISE, Corpus, noise_for_training
from train.data.features import FeatureCache, read_audio
from train.data.manifest import CorpusError, Recording, read_manifest
from train.data.splits import of_speakers, speaker_folds
from train.models.level import LevelConfig

LABELS = ("neutral", "anger", "sadness", "happiness")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twelve recordings of four speakers, each emotion three times; one with what was heard."""
    folder = tmp_path_factory.mktemp("corpus")
    recordings = []
    for i in range(12):
        path = folder / f"{i}.flac"
        soundfile.write(path, voice(0.7 + 0.1 * i, seed=i)[0].numpy(), 16_000)
        perceived = "anger" if i == 4 else ""
        speaker = f"made-{i % 4}"
        recordings.append(
            Recording(path, "made", speaker, LABELS[i // 3], "", str(i % 2), perceived)
        )
    return Corpus(recordings, folder / "cache")


def test_every_speaker_is_in_one_fold_of_every_corpus() -> None:
    recordings = [
        Recording(Path(f"{corpus}-{s}-{u}"), corpus, f"{corpus}-{s}", "anger", "", "")
        for corpus, speakers in (("a", 10), ("b", 23))
        for s in range(speakers)
        for u in range(3)
    ]
    folds = speaker_folds(recordings, 5)
    everyone = {r.speaker for r in recordings}
    assert set().union(*folds) == everyone
    assert sum(map(len, folds)) == len(everyone)
    for fold in folds:
        assert {s[0] for s in fold} == {"a", "b"}
        held = of_speakers(recordings, fold)
        rest = of_speakers(recordings, everyone - fold)
        assert not {r.speaker for r in held} & {r.speaker for r in rest}
        assert len(held) + len(rest) == len(recordings)
    assert folds == speaker_folds(list(reversed(recordings)), 5)
    with pytest.raises(ValueError, match="a has 10 speakers, too few for 11 folds"):
        speaker_folds(recordings, 11)


def test_missing_and_odd_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no manifest at .*manifest\.csv: expected a CSV"):
        read_manifest(tmp_path / "manifest.csv")
    (tmp_path / "manifest.csv").write_text("path,corpus,emotion\na.wav,x,anger\n")
    with pytest.raises(CorpusError, match=r"lacks the column\(s\) speaker"):
        read_manifest(tmp_path / "manifest.csv")
    with pytest.raises(CorpusError, match=r"no recording at .*a\.wav"):
        read_audio(tmp_path / "a.wav")
    (tmp_path / "a.wav").write_bytes(b"RIFF and nothing else")
    with pytest.raises(CorpusError, match=r"cannot read .*a\.wav"):
        read_audio(tmp_path / "a.wav")


def test_features_are_those_of_a_stream(corpus: Corpus, tmp_path: Path) -> None:
    frames = corpus.features[3]
    samples = len(read_audio(corpus.recordings[3].path))
    assert frames.shape == (16 * (-(-samples // 2048) + 1), 129)
    assert (frames[:15] == -160).all()  # a stream is led in by silence
    again = FeatureCache(tmp_path, corpus.recordings)
    assert len(again) == 12
    assert all(np.array_equal(again[i], corpus.features[i]) for i in range(12))


def test_perceived_emotions_share_the_target(corpus: Corpus) -> None:
    examples = corpus.labelled(LABELS, perceived=0.25)
    assert len(examples) == 12
    assert examples[3].target == (0.0, 1.0, 0.0, 0.0)
    assert examples[4].target == (0.0, 1.0, 0.0, 0.0)  # heard as what was meant
    assert len(corpus.labelled(("anger", "sadness"), {"made-0", "made-1"})) == 3


def test_some_noises_are_never_trained_with(corpus: Corpus) -> None:
    examples, noises = noise_for_training(corpus)
    assert {e.index for e in examples} == {i for i in range(12) if i % HELD_OUT_NOISE}
    assert len(noises) == len(examples)
    assert not any(e.speech for e in examples)


def test_batches_have_every_example_once_and_change_with_the_epoch(corpus: Corpus) -> None:
    noise = torch.full((50, 129), -50.0)
    examples = corpus.labelled(LABELS)
    batches = Batches(examples, 5, LevelConfig(), AugmentConfig(), [noise], seed=1)
    first, second = list(batches), list(batches)
    assert len(first) == len(batches) == 3
    for epoch in (first, second):
        counts = torch.cat([b.target for b in epoch]).sum(0)
        assert counts.tolist() == [3.0, 3.0, 3.0, 3.0]
        for b in epoch:
            assert b.segments.shape[2:] == (32, 128)
            assert b.segments.shape[:2] == b.speech.shape
            assert int(b.tokens.max()) == b.segments.shape[1]
            assert torch.isfinite(b.segments).all()
            assert b.segments.min() >= -1
            assert b.segments.max() <= 4 / 3 + 1e-6
            assert b.speech.any(1).all()
    assert first[0].segments.shape != second[0].segments.shape or not torch.equal(
        first[0].segments, second[0].segments
    )
    again = list(Batches(examples, 5, LevelConfig(), AugmentConfig(), [noise], seed=1))
    assert all(torch.equal(a.segments, b.segments) for a, b in zip(first, again, strict=True))


def test_what_is_no_speech_is_never_marked_as_speech(corpus: Corpus) -> None:
    silent = [Example(corpus.features, i, (), speech=False) for i in range(3)]
    batch = next(iter(Batches(silent, 3, LevelConfig(), shuffle=False)))
    assert not batch.speech.any()


def test_speech_is_what_is_near_the_loudest() -> None:
    db = torch.full((1, 100, 129), -90.0)
    db[:, 40:60] = -40.0
    spoken = speech_frames(db, torch.tensor([100]))[0]
    assert spoken.nonzero().flatten().tolist() == list(range(40, 60))
    assert not speech_frames(torch.full((1, 50, 129), -110.0), torch.tensor([50])).any()


def test_noise_has_the_ratio_it_should() -> None:
    config = AugmentConfig(reverberation=0, noise=1, snr_db=(10, 10), synthetic=1, gain_db=0)
    config = AugmentConfig(**{**vars(config), "tilt_db": 0, "telephone": 0, "lowpass": 0})
    augment = Augment(config, [], torch.Generator().manual_seed(0))
    power = torch.full((8, 400, 129), 1e-4)
    noisy = augment(power, power.sum(-1).mean(1))
    ratio = (noisy - power).sum((1, 2)) / power.sum((1, 2))
    torch.testing.assert_close(ratio, torch.full((8,), 0.1), rtol=1e-3, atol=0)
