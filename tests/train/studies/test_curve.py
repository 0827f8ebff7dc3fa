"""Cost and accuracy of model sizes, with small trainings."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from tests.train.models import small_config, voice
from train.data.batches import Batches
from train.data.cached_batches import CachedBatches
from train.default import Corpora
from train.models.cost import multiply_adds, multiply_adds_a_hop, parameters
from train.models.emotion import EmotionModel, ModelConfig
from train.models.segment import SEGMENT
from train.models.vqvae import VQVAE
from train.studies.curve.judged import Judged
from train.studies.curve.report import write
from train.studies.curve.runs import DEFAULT, SIZES, Curve, shortened

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


def result(size: str, right: list[int], cost: int, seed: int = 0) -> dict[str, Any]:
    """Four speakers with ten recordings of each emotion, this many of them correct."""
    by_speaker = {
        f"s{i}": [
            [n if a == b else (10 - n if b == (a + 1) % 4 else 0) for b in range(4)]
            for a in range(4)
        ]
        for i, n in enumerate(right)
    }
    about = {"epochs": 2, "batch": 16, "seed": seed}
    parts = dict.fromkeys(("spectra", "CNN", "VQ-VAE encoder", "VQ lookup", "TACN"), cost // 5)
    return {
        "size": size,
        "seed": seed,
        "multiply_adds": cost,
        "multiply_adds_by_part": parts,
        "parameters": cost // 10,
        "confusions": {"cremad": by_speaker, "emodb": by_speaker},
        "trained_on": 48,
        "speakers": 12,
        "recipe": about,
        "provenance": {"commit": "abc", "seed": seed, "torch": "2"},
    }


def test_differences_are_paired_by_speaker() -> None:
    hard_and_easy = [9, 3, 6, 2]
    results = [
        result(DEFAULT, hard_and_easy, 100),
        result("better", [n + 1 for n in hard_and_easy], 200),
        result("as good", [8, 4, 6, 2], 50),
    ]
    judged = Judged.of(results, "cremad")
    assert judged.ua == pytest.approx({DEFAULT: 0.5, "better": 0.6, "as good": 0.5})
    assert (judged.speakers, judged.recordings) == (4, 160)
    gain = judged.difference("better", DEFAULT)
    assert (gain.mean, gain.low, gain.high) == pytest.approx((10, 10, 10))
    low, high = judged.interval(DEFAULT)
    assert low < 0.4 < 0.6 < high  # of strangers themselves, little is known
    level = judged.difference("as good", DEFAULT)
    assert level.low < 0 < level.high
    costs = {r["size"]: r["multiply_adds"] for r in results}
    assert judged.cheapest(costs) == "better"
    assert Judged.of([results[0], results[2]], "cremad").cheapest(costs) == "as good"


def test_seeds_widen_what_is_known() -> None:
    results = [result("a", [n] * 4, 100, seed) for seed, n in ((0, 4), (1, 6))]
    low, high = Judged.of(results, "cremad").interval("a")
    assert (low, high) == pytest.approx((0.4, 0.6))


def test_the_page_says_where_the_knee_is(tmp_path: Path) -> None:
    results = [
        result("half CNN", [3, 4, 2, 3], 5_000_000),
        result(DEFAULT, [6, 7, 5, 6], 10_000_000),
        result("double CNN", [6, 7, 6, 5], 20_000_000),
    ]
    text = write(results, tmp_path).read_text()
    assert "| **default** | 10.0 |" in text
    assert "highest at *default* (60.0 %)" in " ".join(text.split())
    assert "better than the default: none; significantly worse: *half CNN*" in " ".join(
        text.split()
    )
    assert "These results give no reason to change the default size" in " ".join(text.split())
    assert json.loads((tmp_path / "curve.json").read_text()) == results
    assert (tmp_path / "curve.png").stat().st_size > 5000
    level = [results[1], result("double CNN", [6, 5, 7, 6], 20_000_000)]
    text = " ".join(write(level, tmp_path).read_text().split())
    assert "From 10.0 to 20.0 million multiply-adds the curve is flat" in text
    assert "no larger size is shown to be better" in text
    better = [results[1], result("double CNN", [8, 9, 8, 8], 20_000_000)]
    text = " ".join(write(better, tmp_path).read_text().split())
    assert "gained 22.5 points for +100% multiply-adds, but was trained only once" in text
    better.append(result("double CNN", [9, 9, 9, 8], 20_000_000, seed=1))
    text = " ".join(write(better, tmp_path).read_text().split())
    assert "gained 25.0 points for +100% multiply-adds." in text
    assert "UA differed between seeds by 5.0 points (*double CNN*)." in text


def test_kept_batches_are_the_same_each_time(data: Path, tmp_path: Path) -> None:
    corpora = Corpora.read(data, tmp_path / "features")
    examples = corpora.labelled["emodb"].labelled(LABELS)

    def kept(size: int = 8) -> CachedBatches:
        made = Batches(examples, size, ModelConfig().level, shortened(2).augment)
        return CachedBatches(made, tmp_path / "kept", 2, {"size": size})

    first, again = kept(), kept()
    assert len(first) == 3
    epochs = [list(first), list(first)]
    for epoch in epochs:
        for one, other in zip(epoch, again, strict=True):
            assert torch.equal(one.segments.spectrogram, other.segments.spectrogram)
            assert torch.equal(one.target, other.target)
    assert not torch.equal(
        torch.cat([b.target for b in epochs[0]]), torch.cat([b.target for b in epochs[1]])
    )  # shuffled anew for each epoch
    plain = Batches(examples, 8, ModelConfig().level, shortened(2).augment)
    for one, other in zip(epochs[0], plain, strict=True):
        torch.testing.assert_close(one.segments, other.segments, rtol=2**-8, atol=0)
    assert len(list(kept(5))) == 4


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
    return Curve(Corpora.read(data, work / "features"), work, recipe, (0,), (DEFAULT,), sizes)


def test_trainings_are_judged_on_unheard_speakers_and_kept(data: Path, tmp_path: Path) -> None:
    save_file(VQVAE(small_config().vqvae).state_dict(), tmp_path / "vqvae.safetensors")
    curve = small(data, tmp_path)
    results = curve.results()
    assert [(r["size"], r["seed"]) for r in results] == [
        (DEFAULT, 0),
        ("2 layers", 0),
        (DEFAULT, 1),
    ]
    for r in results:
        assert r["trained_on"] == 48  # of 60, twelve of which are of the held-out speakers
        (speaker,) = r["confusions"]["cremad"]
        assert np.sum(r["confusions"]["cremad"][speaker]) == 8
        assert r["multiply_adds"] == sum(r["multiply_adds_by_part"].values())
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "curve").rglob("*.*")}
    assert json.dumps(curve.results()) == json.dumps(results)
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())  # read, not run again
    longer = replace(curve, recipe=replace(curve.recipe, epochs=1))
    assert longer.results()[0]["recipe"]["epochs"] == 1  # another recipe is another training
