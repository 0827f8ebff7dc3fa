"""The shipped bundle equals the trained model on real voices."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import edgeser
from train.checkpoint import Checkpoint
from train.data.audio import read_audio
from train.data.manifest import read_manifest
from train.export import PAUSE
from train.models.emotion import EmotionModel
from train.models.segment import led_in

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "train" / "checkpoints" / "default.safetensors"
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="no real recordings: ../shared/data is absent"
)


@pytest.fixture(scope="module")
def trained() -> tuple[EmotionModel, float, float]:
    checkpoint = Checkpoint.load(CHECKPOINT)
    return checkpoint.model, checkpoint.temperature, checkpoint.thresholds["speech"]


@pytest.fixture(scope="module")
def bundled() -> edgeser.Model:
    return edgeser.load()


def _some(corpus: str, count: int) -> list[Path]:
    if not DATA.is_dir():
        return []
    paths = sorted(r.path for r in read_manifest(DATA / "manifest.csv") if r.corpus == corpus)
    return paths[:: len(paths) // count][:count]


@pytest.mark.parametrize(
    "path",
    [p for corpus in ("emodb", "cremad", "ravdess", "librispeech") for p in _some(corpus, 8)],
    ids=lambda path: path.stem,
)
def test_stream_equals_offline(
    path: Path, trained: tuple[EmotionModel, float, float], bundled: edgeser.Model
) -> None:
    model, temperature, threshold = trained
    audio = read_audio(path)
    # A stream's segments begin with the first sound, and anew after digital silence.
    audio = audio[np.flatnonzero(audio)[0] :]
    audio[audio == 0] = 1e-5
    waveform = torch.from_numpy(audio)[None]
    logits, scores = model.offline(waveform, threshold, PAUSE)
    exact, _ = copy.deepcopy(model).double().offline(waveform.double(), threshold, PAUSE)
    expected = (logits.double() / temperature).log_softmax(-1).numpy()
    rounding = np.abs((exact / temperature).log_softmax(-1).numpy() - expected).max(1)
    stream = bundled.stream(sample_rate=16_000, every_hop=True)
    frames = [
        f for start in range(0, len(audio), 777) for f in stream.process(audio[start : start + 777])
    ]
    frames += stream.flush().frames
    streamed = np.log([list(f.probabilities.values()) for f in frames])
    speech = np.array([f.speech for f in frames])
    error = np.abs(streamed - expected).max(1)
    error = np.maximum(error, np.abs(speech - scores.double().sigmoid().numpy()))
    decided = _first_undecided(model, audio, scores >= math.log(threshold / (1 - threshold)))
    # Where float32 itself is further than that from float64, no two that use it can be nearer.
    bound = max(1e-4, 2 * float(rounding[:decided].max(initial=0.0)))
    assert bound < 1e-2
    assert error[:decided].max(initial=0.0) < bound
    assert np.median(error) < 1e-4


@torch.no_grad()
def _first_undecided(model: EmotionModel, audio: NDArray[np.float32], opened: torch.Tensor) -> int:
    """The first token with a latent vector that is equally near to two codes.

    Nearest means nearest to the last bit: where two codes are equally near to within rounding,
    any two correct implementations may choose differently, and the tokens differ from there on.
    """
    led = led_in(torch.from_numpy(audio)[None])
    segments = model.frontend.views.of_streams(led, opened[None], PAUSE)
    encoded = model.frontend.encoder(segments.spectrogram[0])
    gaps = torch.cdist(encoded.double(), model.fusion.codebook.codes.double())
    nearest = gaps.square().topk(2, largest=False).values
    undecided = ((nearest[..., 1] - nearest[..., 0]) < 1e-4).any(1)
    return int(undecided.int().argmax()) if undecided.any() else len(undecided)
