"""What sizes cost and bring, from the model itself and from small trainings."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from tests.train.models import small_config, voice
from train.curve.runs import DEFAULT, SIZES, Curve, shortened
from train.default import Corpora
from train.models.cost import multiply_adds, multiply_adds_a_hop, parameters
from train.models.emotion import EmotionModel, ModelConfig
from train.models.segment import SEGMENT
from train.models.vqvae import VQVAE

LABELS = ("neutral", "anger", "sadness", "happiness")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("config", [ModelConfig(), small_config()])
def test_multiply_adds_are_what_torch_counts(config: ModelConfig) -> None:
    model = EmotionModel(config).eval()
    parts = multiply_adds_a_hop(model)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        deep, latent, _ = model.frontend(torch.zeros(1, SEGMENT), torch.zeros(1))
    frontend = parts["spectra"] + parts["CNN"] + parts["VQ-VAE encoder"]
    assert 2 * frontend == counted.get_total_flops()
    assert frontend == multiply_adds(model.frontend, torch.zeros(1, SEGMENT), torch.zeros(1))
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        token = model.fusion(deep, latent)
    assert 2 * (parts["VQ lookup"] + parts["fusion"]) == counted.get_total_flops()
    c = config.tacn
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        model.tacn.step(token, model.tacn.initial_state(1))
    # The step in PyTorch projects every tap by W as well, which the kernels fold into the taps.
    assert 2 * (parts["TACN"] + c.layers * c.taps * c.width**2) == counted.get_total_flops()


def test_sizes_lie_around_the_default() -> None:
    models = {size: EmotionModel(config).eval() for size, config in SIZES.items()}
    for costs in (
        {size: sum(multiply_adds_a_hop(model).values()) for size, model in models.items()},
        {size: parameters(model) for size, model in models.items()},
    ):
        assert min(costs.values()) < costs[DEFAULT] < max(costs.values())
    assert SIZES[DEFAULT] == ModelConfig()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All corpora that the default model is made from, a handful of recordings of each."""
    folder = tmp_path_factory.mktemp("made")
    rows = ["path,corpus,speaker,emotion,language,text"]
    many = {"emodb": 20, "cremad": 40, "librispeech": 3, "speechocean762": 6, "noise": 4, "rir": 2}
    for corpus, count in {**many, "ravdess": 1}.items():
        for i in range(count):
            name = f"{corpus}-{i}.flac"
            sound = np.diff(voice(0.4, seed=i)[0].numpy(), n=i % 4)
            soundfile.write(folder / name, sound / np.abs(sound).max() / 2, 16_000)
            emotion = LABELS[i // 5 % 4] if corpus in ("emodb", "cremad") else ""
            rows.append(f"{name},{corpus},{corpus}-{i % 5},{emotion},,")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def small(data: Path, work: Path) -> Curve:
    config = small_config()
    sizes = {DEFAULT: config, "2 layers": replace(config, tacn=replace(config.tacn, layers=2))}
    recipe = replace(shortened(epochs=2), precision="32-true")
    return Curve(Corpora.read(data, work / "features"), work, recipe, (0, 1), sizes)


def test_trainings_are_judged_on_unheard_speakers_and_kept(data: Path, tmp_path: Path) -> None:
    save_file(VQVAE(small_config().vqvae).state_dict(), tmp_path / "vqvae.safetensors")
    curve = small(data, tmp_path)
    results = curve.results()
    assert [(r["size"], r["seed"]) for r in results] == [
        (DEFAULT, 0),
        ("2 layers", 0),
        (DEFAULT, 1),
        ("2 layers", 1),
    ]
    for r in results:
        assert r["trained_on"] == 48  # of 60, twelve of which are of the held-out speakers
        (speaker,) = r["confusions"]["cremad"]
        assert np.sum(r["confusions"]["cremad"][speaker]) == 8
        assert r["multiply_adds"] == sum(r["multiply_adds_by_part"].values())
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "curve").rglob("*.*")}
    assert json.dumps(curve.results()) == json.dumps(results)
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())  # read, not run again
    longer = replace(curve, recipe=replace(curve.recipe, epochs=1), seeds=(0,))
    assert longer.results()[0]["recipe"]["epochs"] == 1  # another recipe is another training
