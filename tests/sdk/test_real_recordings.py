"""The promises on real voices and noises; skipped without the recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import edgeser
from tests.sounds import push

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="no real recordings: ../shared/data is absent"
)


def some(folder: str, count: int) -> list[Path]:
    """``count`` recordings of a corpus, evenly spread over it."""
    files = sorted(path for path in (DATA / folder).iterdir() if path.suffix in {".flac", ".ogg"})
    return [files[i * len(files) // count] for i in range(count)] if files else []


def read(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    return soundfile.read(path, dtype="float32")  # type: ignore[no-any-return]


VOICES = [*some("emodb", 6), *some("ravdess", 6)] if DATA.is_dir() else []
NOISES = some("noise", 12) if DATA.is_dir() else []


@pytest.mark.parametrize("path", VOICES, ids=lambda path: path.stem)
def test_gain_changes_no_verdict(bundled: edgeser.Model, path: Path) -> None:
    sound, rate = read(path)
    sound *= np.float32(0.5) / np.abs(sound).max()  # 20 dB more must still be legal samples
    plain = bundled.analyze(sound, rate).verdict
    for decibels in (-20, 20):
        changed = bundled.analyze(sound * np.float32(10 ** (decibels / 20)), rate).verdict
        assert changed.label == plain.label
        assert changed.confidence == pytest.approx(plain.confidence, abs=0.05)


@pytest.mark.parametrize("path", VOICES[::4], ids=lambda path: path.stem)
def test_chunks_do_not_matter(bundled: edgeser.Model, path: Path) -> None:
    sound, rate = read(path)
    one, many = bundled.stream(rate), bundled.stream(rate)
    assert one.process(sound) == push(many, sound, 317)
    assert one.flush() == many.flush()


@pytest.mark.parametrize("path", VOICES, ids=lambda path: path.stem)
def test_voices_are_heard(bundled: edgeser.Model, path: Path) -> None:
    verdict = bundled.analyze(path).verdict
    assert verdict.speech_seconds > 0.3 * verdict.duration


def test_noises_are_mostly_not_taken_for_speech(bundled: edgeser.Model) -> None:
    verdicts = [bundled.analyze(path).verdict for path in NOISES]
    heard = sum(verdict.speech_seconds for verdict in verdicts)
    assert heard < 0.2 * sum(verdict.duration for verdict in verdicts)


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-2])
def test_silence_and_hiss_have_no_label(bundled: edgeser.Model, level: float) -> None:
    hiss = level * np.random.default_rng(0).standard_normal(16_000 * 10)
    verdict = bundled.analyze(hiss.astype(np.float32), 16_000).verdict
    assert verdict.speech_seconds < 1.0
