"""Promise 8: one core. C and Python give the same results and resume each other's saved streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgeser
from tests import toy
from tests.native import NativeStream
from tests.sounds import push, speech_like


@pytest.fixture(scope="module")
def adapting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy whose streams learn their speaker."""
    rules = {**toy.manifest()["speaker"], "adapt": True}
    return toy.write(tmp_path_factory.mktemp("adapting") / "toy.edgeser", speaker=rules)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_the_same_samples_give_the_same_events(adapting: Path, rate: int) -> None:
    model = edgeser.load(adapting)
    sound = np.concatenate([speech_like(2.0, rate), np.zeros(2 * rate, np.float32)] * 2)
    ours, theirs = model.stream(rate), NativeStream(adapting, model.labels, rate)
    assert push(theirs, sound, 5_001) == ours.process(sound)  # type: ignore[arg-type]
    assert theirs.state() == ours.state()
    assert ours.speaker.utterances == 2
    assert theirs.flush() == ours.flush()
    assert theirs.state() == ours.state()


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_each_goes_on_where_the_other_was(adapting: Path, rate: int) -> None:
    model = edgeser.load(adapting)
    sound = np.concatenate([speech_like(2.0, rate), np.zeros(rate, np.float32)] * 3)
    straight = model.stream(rate)
    want = straight.process(sound)
    first = model.stream(rate)
    third_part = len(sound) // 3 + 777
    frames = first.process(sound[:third_part])
    in_c = NativeStream(adapting, model.labels, rate, first.state())
    frames += in_c.process(sound[third_part : 2 * third_part])
    again = model.resume(in_c.state())
    frames += again.process(sound[2 * third_part :])
    assert frames == want
    assert again.state() == straight.state()
    assert again.speaker == straight.speaker
