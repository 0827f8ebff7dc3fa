"""The teacher's encoder and the training targets made with it, with tiny random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.train.models import small_config, voice
from train.data.augment import Sounds
from train.data.music import SoundMaker
from train.distill import Distillation, FrontTraining, Spoken, distil
from train.models.emotion import EmotionModel
from train.models.segment import HOP, SEGMENT
from train.teacher.targets import Projection, compute, of_tokens
from train.teacher.whisper import STEP, TeacherError, WhisperEncoder, mel_filters

WIDTH = 64


def tiny(path: Path, layers: int = 2) -> Path:
    """A file with the names of the real one."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (WIDTH, 80, 3),
        "conv1.bias": (WIDTH,),
        "conv2.weight": (WIDTH, WIDTH, 3),
        "conv2.bias": (WIDTH,),
        "position_encodings.encodings": (1500, WIDTH),
    }
    for n in range(layers):
        for part, rows, columns in (
            ("self_attention.linear_0", 3 * WIDTH, WIDTH),
            ("self_attention.linear_1", WIDTH, WIDTH),
            ("ffn.linear_0", 4 * WIDTH, WIDTH),
            ("ffn.linear_1", WIDTH, 4 * WIDTH),
        ):
            shapes[f"layer_{n}.{part}.weight"] = (rows, columns)
            shapes[f"layer_{n}.{part}.bias"] = (rows,)
        for part in ("self_attention", "ffn"):
            shapes[f"layer_{n}.{part}.layer_norm.gamma"] = (WIDTH,)
            shapes[f"layer_{n}.{part}.layer_norm.beta"] = (WIDTH,)
    tensors = {name: (0.1 * torch.randn(shape)).half() for name, shape in shapes.items()}
    save_file(tensors, path)
    return path


def test_a_tone_is_in_its_mel_band() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 201)
    assert (filters.sum(1) > 0).all()
    # 1,000 Hz is bin 25, and mel 15 of 45.25: a third of the way up.
    assert abs(int(filters[:, 25].argmax()) - 26) <= 1


def test_the_encoder_gives_a_vector_every_20_ms(tmp_path: Path) -> None:
    encoder = WhisperEncoder.load(tiny(tmp_path / "tiny.safetensors"))
    heard = encoder(voice(1.0), (1, 2))
    assert heard.shape == (1, 50, 2 * WIDTH)
    assert torch.isfinite(heard).all()
    assert torch.equal(encoder(voice(1.0), (1,)), heard[..., :WIDTH])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="no teacher at"):
        WhisperEncoder.load(tmp_path / "absent.safetensors")
    save_file({"conv1.weight": torch.zeros(4, 80, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(TeacherError, match="does not hold a Whisper encoder"):
        WhisperEncoder.load(tmp_path / "other.safetensors")


def test_targets_are_of_what_a_token_hears() -> None:
    rows = np.arange(200, dtype=np.float32)[:, None]
    target, known = of_tokens(rows, before=0, hops=12)
    middle = (np.arange(1, 13) * HOP - SEGMENT / 2) / STEP
    np.testing.assert_allclose(target[2:, 0], middle[2:] - 0.5, atol=1.0)
    assert known.tolist() == [False] + [True] * 11 or known[1:].all()
    late, heard = of_tokens(rows, before=4 * HOP, hops=16)
    np.testing.assert_allclose(late[4:], target, atol=1e-3)
    assert not heard[:4].any()
    slower, _ = of_tokens(rows, before=0, hops=12, speed=2.0)
    np.testing.assert_allclose(slower[3::2, 0], target[1:6, 0] + 3.3, atol=2.5)


def test_a_projection_keeps_what_varies() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(0, 1, (3000, 2))
    seen = hidden @ rng.normal(0, 1, (2, 9)) + 0.01 * rng.normal(0, 1, (3000, 9)) + 5
    made = Projection.fit([seen[:1000].astype(np.float16), seen[1000:].astype(np.float16)], 2)
    reduced = made(seen.astype(np.float16))
    fitted, *_ = np.linalg.lstsq(reduced, hidden, rcond=None)
    assert np.square(reduced @ fitted - hidden).mean() < 0.02
    assert np.square(reduced).mean() == pytest.approx(1.0, rel=0.05)


def test_features_are_computed_once(tmp_path: Path) -> None:
    encoder = WhisperEncoder.load(tiny(tmp_path / "tiny.safetensors"))
    encoder.forward = lambda waves: WhisperEncoder.forward(encoder, waves, (1,))  # type: ignore[method-assign]
    audio = [voice(s)[0].numpy() for s in (0.7, 0.3)]
    first = compute(encoder, audio, tmp_path / "kept.npy")
    assert [len(first.of(i)) for i in range(2)] == [35, 15]
    again = compute(encoder, [], tmp_path / "kept.npy")
    np.testing.assert_array_equal(first.rows, again.rows)


def test_made_sounds_are_all_different_and_finite() -> None:
    maker = SoundMaker(3)
    sounds = [maker(8000) for _ in range(24)]
    assert all(np.isfinite(s).all() and np.abs(s).max() == pytest.approx(0.5) for s in sounds)
    assert len({s.tobytes() for s in sounds}) == 24


def test_distillation_learns_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    spoken = [
        Spoken(voice(1.2, seed)[0].numpy(), rng.normal(0, 1, (60, 5)).astype(np.float16), seed % 2)
        for seed in range(6)
    ]
    noise = rng.standard_normal(40_000).astype(np.float32)
    torch.manual_seed(0)
    training = FrontTraining(EmotionModel(small_config()), 5, 4, 1)
    settings = Distillation(batch=3, emotion_weight=0.3)
    before = training.teacher.weight.detach().clone()
    kept = tmp_path / "kept.pt"
    distil(training, spoken, Sounds([noise]), settings, kept, batches=3)
    assert not torch.equal(before, training.teacher.weight)
    assert torch.load(kept, weights_only=True)["step"] == 3
    other = FrontTraining(EmotionModel(small_config()), 5, 4, 1)
    distil(other, spoken, Sounds([noise]), settings, kept, batches=3)
    assert torch.equal(other.teacher.weight, training.teacher.weight)
