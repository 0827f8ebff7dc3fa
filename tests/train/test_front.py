"""The front end's training on a device: data, learning, written files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.train.models import small_config
from tests.train.test_teacher import WIDTH, tiny
from train.data.augment import AugmentConfig
from train.front import ground
from train.front.bank import Bank, Flat, bank
from train.front.material import Material, Spoken, made
from train.front.plan import Plan
from train.front.run import Front
from train.front.scenes import SceneConfig, Scenes, _below, _cubic
from train.front.student import Learner, Student, Weights
from train.models import sizes
from train.models.cost import multiply_adds_a_hop
from train.models.emotion import EmotionModel
from train.models.segment import HOP, SAMPLE_RATE
from train.models.sizes import SIZES, Size, loaded
from train.teacher.targets import Projection, of_tokens

CPU = torch.device("cpu")
DRY = AugmentConfig(clean=0, noise=0, reverberation=0, tilt_db=0, telephone=0, lowpass=0)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    rng = np.random.default_rng(0)
    spoken = []
    for number in range(24):
        length = int(rng.integers(12_000, 40_000))
        wave = np.rint(rng.standard_normal(length) * 2000).astype(np.int16)
        corpus = ("one", "other", "silent")[number % 3]
        emotion = -1 if number % 3 == 2 else number // 3 % 4
        spoken.append(Spoken(wave, corpus, emotion, number == 23))
    teacher = tiny(tmp_path_factory.mktemp("teacher") / "tiny.safetensors", layers=4)
    features = [rng.standard_normal((500, 3 * WIDTH)).astype(np.float16)]
    response = rng.standard_normal(8000).astype(np.float32)
    return Material(spoken, made(3, 1), [response], teacher, Projection.fit(features, 8), 0)


@pytest.fixture(scope="module")
def speech(material: Material) -> Bank:
    return bank(material, {"one": 3}, CPU, 4)


def scenes(speech: Bank, **settings: object) -> Scenes:
    noises = Flat.of(made(3, 1), CPU)
    response = np.eye(1, 4000, dtype=np.float32)[0]
    config = replace(SceneConfig(batch=6, ahead=2, longest=2.0, lead=0.3), **settings)
    return Scenes(speech, noises, noises, [response], config)


def cut(made_by: Scenes, which: list[int]) -> dict[str, Tensor]:
    drawn = made_by._cuts(np.array(which))
    return {name: torch.from_numpy(value) for name, value in vars(drawn).items()}


def test_a_bank_keeps_sums_of_what_the_teacher_says(speech: Bank) -> None:
    assert speech.names == ("one", "other")
    assert speech.often.tolist()[:3] == [3, 1, 1]
    assert len(speech.sums) == speech.counts.sum() + len(speech.counts)
    assert speech.counts.tolist() == (-(-speech.audio.lengths // 320)).tolist()
    assert (speech.sums[torch.from_numpy(speech.rows)] == 0).all()
    silent = slice(int(speech.audio.starts[2]), int(speech.audio.starts[3]))
    assert torch.equal(speech.clean[silent], speech.audio.samples[silent])
    assert not torch.equal(speech.clean[: silent.start], speech.audio.samples[: silent.start])


def test_targets_are_those_of_one_recording_alone(speech: Bank) -> None:
    made_by = scenes(speech)
    on = cut(made_by, [0, 5, 7])
    target, known = made_by._targets(on)
    for row, which in enumerate((0, 5, 7)):
        first, count = int(speech.rows[which]), int(speech.counts[which])
        rows = speech.sums[first : first + count + 1].diff(dim=0).numpy()
        before, speed, start = (on[n][row].item() for n in ("before", "speed", "start"))
        alone, there = of_tokens(rows, int(before), made_by.config.hops, speed, int(start))
        assert known[row].tolist() == there.tolist()
        np.testing.assert_allclose(target[row].numpy(), alone, atol=1e-3)


def test_recordings_lie_where_the_host_put_them(speech: Bank) -> None:
    made_by = scenes(speech, changed=0.0, augment=DRY)
    on = cut(made_by, [1, 4])
    dry, heard, power = made_by._spoken(on)
    for row, which in enumerate((1, 4)):
        before, start, length = (int(on[n][row]) for n in ("before", "start", "length"))
        begin = int(speech.audio.starts[which]) + start
        recorded = speech.audio.samples[begin : begin + length].float() / 32768
        torch.testing.assert_close(dry[row, before : before + length], recorded)
        assert not dry[row, :before].any()
        assert not dry[row, before + length :].any()
        torch.testing.assert_close(power[row], recorded.square().mean())
        assert heard[row, -(-before // HOP) + 1]


def test_another_speed_is_another_pitch() -> None:
    time = torch.arange(4000) / 16_000
    wave = torch.sin(2 * torch.pi * 300 * time)[None]
    place = torch.arange(4400, dtype=torch.float64)[None] / 1.1
    slower = _cubic(wave, place, torch.tensor([[4000]]))[0, 10:4380]
    expected = torch.sin(2 * torch.pi * 300 / 1.1 * torch.arange(4400) / 16_000)[10:4380]
    torch.testing.assert_close(slower, expected, atol=2e-3, rtol=0)


def test_another_voice_has_nothing_above_what_the_rate_can_hold() -> None:
    time = torch.arange(8000) / 16_000
    low, high = (torch.sin(2 * torch.pi * hertz * time) for hertz in (1000, 6000))
    kept = _below(torch.stack([low + high, low + high]), torch.tensor([0.6, 1.2]))
    # 6 kHz played at 0.6 of the time would be 10 kHz.
    torch.testing.assert_close(kept[0], low, atol=1e-2, rtol=0)
    assert torch.equal(kept[1], low + high)


def test_some_recordings_become_another_voice(speech: Bank) -> None:
    made_by = scenes(speech, voices=(0.58, 1.3), voiced=0.5)
    speed = cut(made_by, [1] * 400)["speed"]
    assert speed.min() > 0.58
    assert speed.max() < 1.3
    assert 0.25 < ((speed < 0.83) | (speed > 1.17)).double().mean() < 0.5
    batch = next(made_by.batches(speech.often))
    assert batch.segments.spectrogram.isfinite().all()
    # No speech is cut off at a row's end: one is as long as the slowest voice.
    assert made_by.config.hops * HOP >= 1.3 * 2.0 * SAMPLE_RATE


def test_batches_have_one_shape_and_no_held_speaker(speech: Bank) -> None:
    made_by = scenes(speech)
    batches = made_by.batches(np.where(speech.held, 0, speech.often))
    for batch in (next(batches) for _ in range(5)):
        assert batch.segments.spectrogram.shape == (made_by.tokens, 32, 128)
        assert batch.target.shape == (made_by.tokens, 8)
        assert batch.segments.spectrogram.isfinite().all()
        real = batch.slot[batch.real > 0]
        assert len(real.unique()) == len(real)
        assert (batch.speech <= batch.real).all()
        assert (batch.known <= batch.speech).all()
        assert batch.speech.sum() == batch.rows.sum()
        assert sum(len(rows) for rows in batch.of_corpus) == (batch.emotion >= 0).sum()


def learner(speech: Bank) -> Learner:
    torch.manual_seed(0)
    student = Student(small_config(), 8, len(speech.names))
    return Learner("small", student.train(), 3e-3)


def test_a_student_learns_the_teacher_and_the_gate(speech: Bank) -> None:
    made_by, taught = scenes(speech), learner(speech)
    batches = made_by.batches(speech.often)
    same = [next(batches) for _ in range(3)]  # losses of single batches differ too much
    first = taught.judged(same)
    for _ in range(30):
        taught.step(next(batches), Weights(emotion=0.3), 1.0)
    last = taught.judged(same)
    assert last["gate"] < 0.9 * first["gate"]
    assert last["rebuilt"] < 0.8 * first["rebuilt"]
    assert last["teacher"] < 0.5 * first["teacher"]
    assert taught.lately()["skipped"] == 0
    assert taught.is_sound()


def test_heads_can_learn_alone(speech: Bank) -> None:
    made_by, taught = scenes(speech), learner(speech)
    batches = made_by.batches(speech.often)
    named = dict(taught.student.named_parameters())
    before = {n: p.detach().clone() for n, p in named.items()}
    for _ in range(3):
        taught.step(next(batches), Weights(), 1.0, heads_only=True)
    for name in ("teacher.weight", "utterance.weight"):
        assert not torch.equal(named[name], before[name])
    model = {n: p for n, p in named.items() if n.startswith("model.")}
    assert all(torch.equal(p, before[n]) for n, p in model.items())
    taught.step(next(batches), Weights(), 1.0)
    assert not all(torch.equal(p, before[n]) for n, p in model.items())


def test_a_step_that_is_not_finite_is_none(speech: Bank) -> None:
    made_by, taught = scenes(speech), learner(speech)
    batch = next(made_by.batches(speech.often))
    weight = taught.student.teacher.weight
    before = weight.detach().clone()
    broken = replace(batch, target=torch.full_like(batch.target, torch.inf))
    taught.step(broken, Weights(), 0.0)
    assert torch.equal(weight, before)
    assert taught.lately()["skipped"] == 1


def test_sizes_are_named_by_what_they_cost() -> None:
    for name, size in SIZES.items():
        cost = sum(multiply_adds_a_hop(EmotionModel(size.config).eval()).values())
        assert cost / 1e6 == pytest.approx(float(name), abs=0.6)


def test_a_run_ends_by_the_clock_and_leaves_weights(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground, "read", lambda *_: material)
    for table in (ground.SIZES, sizes.SIZES):
        monkeypatch.setitem(table, "small", Size(small_config(), 3e-3))
    config = SceneConfig(batch=6, ahead=1, longest=2.0, lead=0.3)
    plan = Plan(0.15, sizes=("small",), scenes=config, made=2, report=0.5, keep=1.0)
    Front(plan, [], tmp_path, CPU, 1).run()
    lines = [json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [x["took"] for x in lines if "took" in x][-2:] == ["phase a1", "phase a2"]
    assert lines[-1]["at"] < 120
    model = loaded("small", tmp_path / "a2-small.safetensors")
    assert torch.isfinite(model(torch.zeros(1, 8000))).all()
    kept = load_file(tmp_path / "a1.safetensors")
    assert all(name.startswith("small.") for name in kept)
    loaded("small", tmp_path / "a1.safetensors", "small.")
    with pytest.raises(ValueError, match="does not hold size 8"):
        loaded("8", tmp_path / "a2-small.safetensors")
