"""The linear readout of pooled tokens, and the sequence model that learns its answers."""

import numpy as np
import pytest
import torch

from tests.train.models import small_config, small_model
from train.answers import answers
from train.models.speaker import Speaker, SpeakerConfig
from train.pooled import UNHEARD, Pooled, pooled
from train.session_training import measured, train_sessions
from train.sessions import Batches, SessionRecipe, Utterance


def heard(corpus: str, moods: int, seed: int, labels: int = 4) -> list[Utterance]:
    """Twelve features: four move with the mood, and one swings more in mood 1."""
    centres = np.random.default_rng(1).normal(0, 1.0, (moods, 4))
    rng, found = np.random.default_rng(seed), []
    for speaker in range(4):
        for n in range(12 * moods):
            label = n % moods
            tokens = rng.normal(0, 0.5, (9, 12))
            tokens[:, :4] += centres[label] + rng.normal(0, 0.5, 4)
            tokens[:, 5] *= 3 if label == 1 else 1
            target = tuple(float(k == label) for k in range(labels))
            found.append(
                Utterance((tokens.astype(np.float32),), target, f"{corpus}{speaker}", corpus)
            )
    return found


def batches(utterances: list[Utterance]) -> Batches:
    speaker = Speaker(12, SpeakerConfig(adapt=True))
    means = measured(speaker, utterances, 0)
    offsets = {
        c: (torch.from_numpy(m) - speaker.mean) / speaker.deviation for c, m in means.items()
    }
    return Batches(utterances, SessionRecipe(jitter=0.0), speaker, offsets)


def test_padding_has_no_say_in_mean_and_deviation() -> None:
    x, inside = torch.randn(3, 7, 5), torch.arange(7) < torch.tensor([[7], [3], [1]])
    found = pooled(x, inside)
    for row, length in enumerate((7, 3, 1)):
        own = x[row, :length].numpy()
        wanted = np.concatenate([own.mean(0), own.std(0)])
        np.testing.assert_allclose(found[row].numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("moods", [2, 4])
def test_the_readout_tells_moods_apart_by_mean_and_deviation(moods: int) -> None:
    readout = Pooled.fit(batches(heard("a", moods, 2)), utterances=1000)
    batch = batches(heard("a", moods, 3))()
    said = readout(batch.x, batch.inside)
    assert (said.argmax(1) == batch.target.argmax(1)).float().mean() > 0.8
    assert (readout.bias[moods:] == UNHEARD).all()
    # Feature 5 says something by its deviation alone.
    swing = readout.weight[1] - readout.weight[0]
    assert swing[12 + 5] > 5 * swing[5].abs()


def test_the_sequence_model_learns_what_the_readout_says() -> None:
    learned, judged = heard("a", 2, 2), heard("b", 2, 3)
    recipe = SessionRecipe(120, sessions=8, longest=6, learning_rate=5e-3)
    model = small_model(small_config())
    train_sessions(model, learned, recipe, SpeakerConfig())
    found = answers(model, judged, 0)
    assert float((found.verdicts().argmax(1) == found.truth).mean()) > 0.8
