"""20 dB more or less gain changes no label on speech."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import edgeser
from edgeser.cli.demo import SAMPLE
from tests.sounds import speech_like


def read_sample() -> tuple[npt.NDArray[np.float32], int]:
    return soundfile.read(SAMPLE, dtype="float32")  # type: ignore[no-any-return]


@pytest.mark.parametrize("decibels", [-20.0, 20.0])
@pytest.mark.parametrize("source", ["sample", "speech-like"])
def test_gain_changes_no_label(model: edgeser.Model, decibels: float, source: str) -> None:
    sound, rate = read_sample() if source == "sample" else (speech_like(12.0), 16_000)
    plain = model.analyze(sound, rate)
    changed = model.analyze(sound * np.float32(10 ** (decibels / 20)), rate)
    assert changed.verdict.label == plain.verdict.label
    spoken = [
        (one, other)
        for one, other in zip(plain.frames, changed.frames, strict=True)
        if one.label is not None
    ]
    assert [other.label for _, other in spoken] == [one.label for one, _ in spoken]
    for one, other in spoken:
        assert other.level - one.level == pytest.approx(decibels, abs=0.5)
