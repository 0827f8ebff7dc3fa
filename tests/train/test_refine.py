"""Further training of a finished front end: start weights, training data, written files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.train.models import small_config
from train.checkpoint import Checkpoint
from train.data.augment import Sounds
from train.front import ground, refine
from train.front.plan import Plan
from train.front.rounds import Course
from train.front.scenes import SceneConfig
from train.models import sizes
from train.models.emotion import EmotionModel
from train.models.sizes import Size, loaded

LABELS = ("neutral", "anger", "sadness", "happiness")


class Raw:
    """Recordings in the form of a corpus cache."""

    def __init__(self, waves: list[Any]) -> None:
        self.waves = waves

    def raw(self, index: int) -> Any:
        return self.waves[index]


def corpus(name: str, labelled: bool, rng: np.random.Generator) -> Any:
    waves = [np.rint(rng.standard_normal(12_000) * 2000).astype(np.int16) for _ in range(8)]
    recordings = [
        SimpleNamespace(speaker=f"{name}-{n % 4}", emotion=LABELS[n % 4] if labelled else "")
        for n in range(8)
    ]
    return SimpleNamespace(recordings=recordings, audio=Raw(waves), clean=None)


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> Any:
    rng = np.random.default_rng(0)
    for table in (ground.SIZES, sizes.SIZES):
        monkeypatch.setitem(table, "small", Size(small_config(), 3e-3))
    scenes = SceneConfig(batch=4, ahead=1, longest=1.0, lead=0.2, voices=(0.6, 1.3), voiced=0.5)
    monkeypatch.setattr(refine, "PLAN", Plan(sizes=("small",), scenes=scenes, made=2, heads=2))
    vectors = [rng.standard_normal((38, 8)).astype(np.float16) for _ in range(8)]
    noise = [rng.standard_normal(20_000).astype(np.float32)]
    response = [np.eye(1, 4000, dtype=np.float32)[0]]
    return SimpleNamespace(
        corpora=SimpleNamespace(
            labelled={n: corpus(n, True, rng) for n in ("emodb", "cremad")},
            unlabelled={"librispeech": corpus("librispeech", False, rng)},
        ),
        test={"emodb-0"},
        development={"cremad-1"},
        config=SimpleNamespace(labels=LABELS),
        features=lambda _: SimpleNamespace(of=lambda index: vectors[index]),
        sounds=lambda **_: Sounds(noise, response),
    )


def started(path: Path) -> Path:
    torch.manual_seed(1)
    state = EmotionModel(small_config()).state_dict()
    save_file({n: t for n, t in state.items() if n.startswith(sizes.SHIPPED)}, path)
    return path


def test_it_starts_from_weights_and_can_be_stopped(
    product: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, course = started(tmp_path / "start.safetensors"), Course((0, 4), 2)
    refine.refine(product, start, tmp_path / "whole", course)
    with monkeypatch.context() as only:
        only.setattr(Course, "rounds", lambda self, of=Course.rounds: of(self)[:1])
        refine.refine(product, start, tmp_path / "stopped", course)
    # Its first round was of the heads alone: the model is the one that it began with.
    written = "a2-small.safetensors"
    first, begun = load_file(tmp_path / "stopped" / written), load_file(start)
    weights = [n for n in first if n.endswith("weight")]
    assert weights
    assert all(torch.equal(first[n], begun[n]) for n in weights)
    refine.refine(product, start, tmp_path / "stopped", course)
    whole, stopped = ((tmp_path / n / written).read_bytes() for n in ("whole", "stopped"))
    assert whole == stopped
    after = load_file(tmp_path / "whole" / written)
    learned = [n for n in weights if n.startswith("frontend.cnn")]
    assert learned
    assert not any(torch.equal(after[n], begun[n]) for n in learned)
    model = loaded("small", tmp_path / "whole" / written)
    assert torch.isfinite(model(torch.zeros(1, 8000))).all()


def test_it_starts_from_a_checkpoint(product: Any, tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    torch.manual_seed(2)
    model = EmotionModel(small_config())
    Checkpoint(model).save(path)
    (learner,) = refine._ground(product, path, ground.Log(tmp_path / "log")).learners()
    for name, weight in learner.student.model.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name


def test_it_hears_no_speaker_that_judges_it(product: Any, tmp_path: Path) -> None:
    found = refine._ground(product, started(tmp_path / "start"), ground.Log(tmp_path / "log"))
    assert len(found.bank.counts) == 24 - 2 - 2
    assert found.bank.corpus.tolist() == [0] * 6 + [1] * 6 + [-1] * 8
    assert found.bank.often.tolist() == [3] * 6 + [1] * 14


def test_small_differences_within_a_speaker_count_more() -> None:
    rng = np.random.default_rng(0)
    voice, vectors, speaker = rng.standard_normal((5, 1, 2)) * 10, list[torch.Tensor](), list[str]()
    for number in range(200):
        mean = rng.standard_normal((1, 2)) * (1.0, 0.1)
        rows = voice[number % 5] + mean + rng.standard_normal((40, 2)) * 0.01
        vectors.append(torch.from_numpy(rows).float())
        speaker.append(str(number % 5))
    even = refine.evened(vectors, speaker)
    assert even.shape == (4, 4)
    error = torch.eye(4)[:2] @ even
    # Ten times smaller, so ten times as much for the same error.
    assert error[1].norm() / error[0].norm() == pytest.approx(10, rel=0.3)
