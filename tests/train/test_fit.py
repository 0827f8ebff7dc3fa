"""Training loops: they learn, are reproducible, and score on held-out data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from tests.train.models import small_config, voice
from train.data.augment import AugmentConfig
from train.data.batches import Batch, Example
from train.data.examples import Corpus
from train.data.manifest import Recording
from train.evaluate import Predictions, calibration_error, fit_temperature, predict
from train.fit import EmotionTraining, Material, class_weights, fit
from train.loop import precision, trainer
from train.losses import speech_weights, verdict
from train.metrics import Scores
from train.models.emotion import EmotionModel
from train.models.vqvae import VQVAE
from train.pretrain import pretrain
from train.recipe import Recipe

LABELS = ("neutral", "anger", "sadness", "happiness")
# Lightning warns of what it would do with more processes and of loaders without a length.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Two emotions that differ in brightness alone, so that any model learns them."""
    folder = tmp_path_factory.mktemp("made")
    recordings = []
    for i in range(16):
        sound = voice(0.8, seed=i)[0].numpy()
        if i % 2:
            sound = np.diff(sound, prepend=0.0)  # brighter
        soundfile.write(folder / f"{i}.flac", sound, 16_000)
        emotion = "anger" if i % 2 else "sadness"
        recordings.append(Recording(folder / f"{i}.flac", "made", f"s{i // 4}", emotion, "", ""))
    return Corpus(recordings, folder / "cache").labelled(LABELS)


def recipe() -> Recipe:
    calm = AugmentConfig(tilt_db=0, noise=0, telephone=0, lowpass=0, reverberation=0, silence=0)
    return Recipe(
        epochs=20, batch=4, learning_rate=6e-3, dropout=0.0, precision="32-true", augment=calm
    )


def test_fit_learns_and_the_same_seed_gives_the_same_model(examples: list[Example]) -> None:
    config = small_config()
    vqvae = VQVAE(config.vqvae)
    pretrain(vqvae, examples, recipe(), config.level, 1, 1e-3)
    models = [fit(Material(examples), recipe(), config, vqvae, examples) for _ in range(2)]
    scores = predict(models[0], examples).scores()
    assert scores.ua == 1.0
    first, second = (m.state_dict() for m in models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    encoder = models[0].frontend.encoder.state_dict()
    assert all(torch.equal(encoder[n], t) for n, t in vqvae.encoder.state_dict().items())


def test_offline_scores_use_the_whole_utterance(examples: list[Example]) -> None:
    torch.manual_seed(0)
    model = EmotionModel(small_config()).eval()
    one_by_one = predict(model, examples, batch=1)
    together = predict(model, examples, batch=16)
    torch.testing.assert_close(
        one_by_one.probabilities(), together.probabilities(), rtol=0, atol=1e-5
    )


def test_scores_by_hand() -> None:
    truth, answer = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 0, 2])
    scores = Scores.of(truth, answer, 4)
    assert scores.ua == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert scores.wa == pytest.approx(4 / 6)
    assert scores.f1 == pytest.approx((2 * 2 / 6 + 2 / 3 + 2 / 3) / 3)
    assert scores.confusion.tolist()[0] == [2, 1, 0, 0]


def test_verdict_weighs_by_speech_and_stops_at_the_end() -> None:
    logits = torch.tensor([[[5.0, 0.0, 9.0], [0.0, 5.0, -9.0], [0.0, 9.0, 9.0]]])
    weights = speech_weights(logits, torch.tensor([2]))
    assert weights[0].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-3)
    assert verdict(logits, weights).argmax().item() == 0


def _predictions(logits: Tensor, truth: np.ndarray) -> Predictions:
    speech = torch.full((len(truth), 1, 1), 9.0)
    return Predictions(
        torch.cat([logits[:, None], speech], -1), torch.ones(len(truth), dtype=torch.int64), truth
    )


def test_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(4000, 4, generator=generator) * 1.5
    truth = torch.multinomial(honest.softmax(-1), 1, generator=generator)[:, 0].numpy()
    loud = _predictions(honest * 2.5, truth)
    temperature = fit_temperature(loud)
    assert temperature == pytest.approx(2.5, rel=0.1)
    assert calibration_error(loud.probabilities(), truth) > 0.1
    assert calibration_error(loud.probabilities(temperature), truth) < 0.03


def test_a_stopped_training_goes_on_where_it_was(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = EmotionTraining.training_step

    def counted(self: EmotionTraining, batch: Batch, index: int) -> Tensor:
        steps.append(self.global_step)
        return step(self, batch, index)

    monkeypatch.setattr(EmotionTraining, "training_step", counted)
    three = replace(recipe(), epochs=3)
    with monkeypatch.context() as stopped:
        stopped.setattr("train.fit.trainer", lambda r, _, *a, **k: trainer(r, 1, *a, **k))
        fit(Material(examples), three, small_config(), folder=tmp_path)
    assert steps == [0, 1, 2, 3]
    fit(Material(examples), three, small_config(), folder=tmp_path)
    assert steps == list(range(12))  # not from the start again
    assert list(tmp_path.rglob("events.out.tfevents.*"))  # for TensorBoard


def test_training_stops_when_strangers_are_judged_no_better(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.7, 0.6, 0.6, 0.9, 0.9, 0.9])

    def scored(self: EmotionTraining) -> None:
        self.heard.clear()
        self.log("ua", next(scores))

    monkeypatch.setattr(EmotionTraining, "on_validation_epoch_end", scored)
    patient = replace(recipe(), epochs=7, patience=2)
    fit(Material(examples), patient, small_config(), None, examples, tmp_path)
    assert next(scores) == 0.9  # four epochs were enough
    (best,) = (tmp_path / "checkpoints").glob("epoch=1-*.ckpt")
    assert best.is_file()


@pytest.mark.parametrize(("has", "used"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_cpu_without_bfloat16_trains_in_float32(
    has: bool, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": has})
    assert precision("bf16-mixed") == used
    assert precision("16-mixed") == "16-mixed"


def test_every_emotion_weighs_the_same(examples: list[Example]) -> None:
    weights = class_weights([*examples[::2], *examples[1:5:2]], 4)  # 8 of sadness, 2 of anger
    assert weights[2] * 8 == weights[1] * 2 == pytest.approx(10 / 4)


def test_the_papers_recipe_trains(examples: list[Example]) -> None:
    paper = replace(Recipe.paper(epochs=2), precision="32-true")
    assert (paper.optimizer, paper.batch, paper.augment) == ("adadelta", 128, None)
    model = fit(Material(examples), paper, small_config())
    assert all(torch.isfinite(p).all() for p in model.parameters())
