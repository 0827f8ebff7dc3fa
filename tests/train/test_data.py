"""Manifests, splits, augmentation and batches."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.train.models import voice
from train.data.audio import AudioCache, read_audio
from train.data.augment import Augment, AugmentConfig, Sounds
from train.data.batches import Batches, Example
from train.data.denoise import without_floor
from train.data.examples import (
    HELD_OUT,
    Corpus,
    noise_for_testing,
    noise_for_training,
    sounds_for_training,
)
from train.data.manifest import CorpusError, Recording, read_manifest
from train.data.speech import speech_hops
from train.data.splits import of_speakers, speaker_folds
from train.models.level import LevelConfig
from train.models.segment import HOP, LEAD

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
    for table, said in (
        (b"path,corpus,speaker,emotion\na.wav,x,eva\n", r"line 2: has no emotion: fill it in"),
        (b"path;corpus;speaker;emotion\na.wav;x;eva;anger\n", "separated by commas"),
        (
            "path,corpus,speaker,emotion\nä.wav,x,eva,anger".encode("cp1252"),
            "save it as 'CSV UTF-8'",
        ),
        (b"path,corpus,speaker,emotion\n" + b"x" * 200_000, "cannot be read: field larger than"),
    ):
        (tmp_path / "manifest.csv").write_bytes(table)
        with pytest.raises(CorpusError, match=said):
            read_manifest(tmp_path / "manifest.csv")
    with pytest.raises(CorpusError, match=r"no recording at .*a\.wav"):
        read_audio(tmp_path / "a.wav")
    (tmp_path / "a.wav").write_bytes(b"RIFF and nothing else")
    with pytest.raises(CorpusError, match=r"cannot read .*a\.wav"):
        read_audio(tmp_path / "a.wav")
    loud = 3000 * np.sin(np.arange(16_000, dtype=np.float32))
    soundfile.write(tmp_path / "a.wav", loud, 16_000, subtype="FLOAT")
    with pytest.raises(CorpusError, match=r"cannot read .*a\.wav: .* this looks like int16 scale"):
        read_audio(tmp_path / "a.wav")


def test_a_table_of_excel_is_read(tmp_path: Path) -> None:
    table = tmp_path / "manifest.csv"
    table.write_text("path,corpus,speaker,emotion\r\nä.wav,x,eva,anger\r\n", "utf-8-sig")
    assert read_manifest(table) == [Recording(tmp_path / "ä.wav", "x", "eva", "anger", "", "")]


def test_the_cache_gives_the_recordings_wherever_they_lie(corpus: Corpus, tmp_path: Path) -> None:
    samples = read_audio(corpus.recordings[3].path)
    assert corpus.audio.samples(3) == len(samples)
    np.testing.assert_allclose(corpus.audio[3], samples, atol=0.51 / 32767)
    again = AudioCache(tmp_path, corpus.recordings)
    assert len(again) == 12
    assert all(np.array_equal(again[i], corpus.audio[i]) for i in range(12))
    names = {path.name for path in tmp_path.iterdir()}
    AudioCache(tmp_path, corpus.recordings)
    assert {path.name for path in tmp_path.iterdir()} == names  # read, not made again


def test_a_change_has_a_cache_of_its_own(corpus: Corpus, tmp_path: Path) -> None:
    halved = AudioCache(tmp_path, corpus.recordings, "half", lambda x: x / 2)
    np.testing.assert_allclose(halved[0], corpus.audio[0] / 2, atol=1.1 / 32767)


def test_the_noise_floor_goes_and_the_voice_stays() -> None:
    rng = np.random.default_rng(0)
    spoken = voice(2.0)[0].numpy()
    spoken[:4800] = spoken[-4800:] = 0  # pauses, in which there is nothing but the floor
    floor = 0.01 * rng.standard_normal(len(spoken)).astype(np.float32)
    clean = without_floor(spoken + floor)
    assert clean.shape == spoken.shape
    middle = slice(4800, -4800)
    assert np.square(clean[:4000]).mean() < 0.1 * np.square(floor[:4000]).mean()
    lost = clean[middle] - spoken[middle]
    assert np.square(lost).mean() < 0.05 * np.square(spoken[middle]).mean()


def test_perceived_emotions_share_the_target(corpus: Corpus) -> None:
    examples = corpus.labelled(LABELS, perceived=0.25)
    assert len(examples) == 12
    assert examples[3].target == (0.0, 1.0, 0.0, 0.0)
    assert examples[4].target == (0.0, 1.0, 0.0, 0.0)  # heard as what was meant
    assert len(corpus.labelled(("anger", "sadness"), {"made-0", "made-1"})) == 3


def test_details_bring_recordings_without_a_target(corpus: Corpus) -> None:
    examples = corpus.labelled(("anger", "sadness"), details=LABELS)
    assert len(examples) == 12
    assert [e.target for e in examples[:4]] == [(), (), (), (1.0, 0.0)]
    assert examples[0].detail == (1.0, 0.0, 0.0, 0.0)


def test_some_noises_and_rooms_are_never_trained_with(corpus: Corpus) -> None:
    training, testing = noise_for_training(corpus), noise_for_testing(corpus)
    assert {e.index for e in testing} == set(range(0, 12, HELD_OUT))
    assert {e.index for e in training} == set(range(12)) - set(range(0, 12, HELD_OUT))
    assert not any(e.speech for e in training)
    sounds = sounds_for_training(corpus, corpus.recordings)
    assert len(sounds.noises) == len(sounds.impulse_responses) == len(training)


def test_batches_have_every_example_once_and_change_with_the_epoch(corpus: Corpus) -> None:
    sounds = Sounds([np.full(8000, 0.01, np.float32)], [np.ones(10, np.float32)])
    examples = corpus.labelled(LABELS)
    batches = Batches(examples, 5, LevelConfig(), AugmentConfig(), sounds, seed=1)
    first, second = list(batches), list(batches)
    assert len(first) == len(batches) == 3
    for epoch in (first, second):
        counts = torch.cat([b.target for b in epoch]).sum(0)
        assert counts.tolist() == [3.0, 3.0, 3.0, 3.0]
        for b in epoch:
            wide, narrow = b.segments
            assert wide.shape[2:] == (32, 128)
            assert narrow.shape[2:] == (7, 104)
            assert wide.shape[:2] == narrow.shape[:2] == b.speech.shape
            assert int(b.tokens.max()) == wide.shape[1]
            for view in (wide, narrow):
                assert torch.isfinite(view).all()
                assert view.min() >= -1
                assert view.max() <= 1.4 + 1e-6
            assert b.speech.any(1).all()
    assert first[0].segments.harmonics.shape != second[0].segments.harmonics.shape or not (
        torch.equal(first[0].segments.harmonics, second[0].segments.harmonics)
    )
    again = list(Batches(examples, 5, LevelConfig(), AugmentConfig(), sounds, seed=1))
    assert all(
        torch.equal(a.segments.spectrogram, b.segments.spectrogram)
        for a, b in zip(first, again, strict=True)
    )


def test_a_condition_is_heard(corpus: Corpus) -> None:
    examples = corpus.labelled(LABELS)[:2]
    plain = next(iter(Batches(examples, 2, LevelConfig(), shuffle=False)))
    louder = Batches(examples, 2, LevelConfig(), shuffle=False, condition=lambda x, _: 3 * x)
    silent = Batches(examples, 2, LevelConfig(), shuffle=False, condition=lambda x, _: 0 * x)
    torch.testing.assert_close(
        next(iter(louder)).segments.spectrogram, plain.segments.spectrogram, rtol=0, atol=1e-3
    )
    assert (next(iter(silent)).segments.spectrogram == -1).all()


def test_what_is_no_speech_is_never_marked_as_speech(corpus: Corpus) -> None:
    silent = [Example(corpus.audio, i, (), speech=False) for i in range(3)]
    batch = next(iter(Batches(silent, 3, LevelConfig(), shuffle=False)))
    assert not batch.speech.any()


def test_speech_is_what_is_near_the_loudest() -> None:
    samples = np.full(10 * HOP, 3e-5, np.float32)
    samples[4 * HOP : 6 * HOP] = 0.01
    assert speech_hops(samples, 0, 10).nonzero()[0].tolist() == [4, 5]
    assert speech_hops(samples, 2 * HOP, 12).nonzero()[0].tolist() == [6, 7]
    assert not speech_hops(np.full(5 * HOP, 1e-6, np.float32), 0, 5).any()


def test_noise_has_the_ratio_it_should() -> None:
    quiet = {"reverberation": 0, "tilt_db": 0, "telephone": 0, "lowpass": 0, "gain_db": (0, 0)}
    config = AugmentConfig(noise=1, snr_db=(10, 10), synthetic=1, **quiet)  # type: ignore[arg-type]
    spoken = voice(4.0)[0].numpy()
    hops = -(-len(spoken) // HOP)
    noisy = Augment(config, Sounds(), seed=0)(spoken, 0, hops)
    assert not noisy[:LEAD].any()
    added = noisy[LEAD : LEAD + len(spoken)] - spoken
    assert np.square(added).mean() / np.square(spoken).mean() == pytest.approx(0.1, rel=0.1)


def test_a_room_keeps_the_direct_sound_first() -> None:
    quiet = {"noise": 0, "tilt_db": 0, "telephone": 0, "lowpass": 0, "gain_db": (0, 0)}
    config = AugmentConfig(reverberation=1, **quiet)  # type: ignore[arg-type]
    response = np.zeros(4000, np.float32)
    response[[100, 1700]] = 1, 0.5
    click = np.zeros(3 * HOP, np.float32)
    click[1000] = 1
    heard = Augment(config, Sounds((), [response]), seed=0)(click, 0, 4)[LEAD:]
    assert int(np.abs(heard).argmax()) == 1000
    assert abs(heard[2600]) > 0.01  # the reflection, 1600 samples later
    assert np.abs(heard[:990]).max() < 0.05
