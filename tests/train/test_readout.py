"""Emotions read through the teacher's space: the readout, and the head that it becomes."""

import numpy as np
import pytest
import torch

from tests.train.models import small_config, small_model
from train.answers import answers
from train.models.speaker import SpeakerConfig
from train.session_training import TaughtHead, readout_of, train_sessions
from train.sessions import Batches, SessionRecipe, Utterance
from train.teacher.readout import LARGEST, Readout, statistics


def heard(corpus: str, seed: int, shortcut: float, speakers: int = 4) -> list[Utterance]:
    """Twelve features, of which four tell the mood, and two are the corpus's own way of telling it.

    The teacher hears the four and nothing of the two.
    """
    moods = np.random.default_rng(1).normal(0, 1.0, (2, 4))
    rng, found = np.random.default_rng(seed), []
    for speaker in range(speakers):
        for n in range(16):
            label = n % 2
            voice = moods[label] + rng.normal(0, 0.8, 4)
            own = shortcut * (2 * label - 1) + rng.normal(0, 0.3, 2)
            common = np.concatenate([voice, own, np.zeros(6)])
            tokens = (common + rng.normal(0, 0.5, (9, 12))).astype(np.float32)
            target = tuple(float(k == label) for k in range(4))
            teacher = np.concatenate([voice, np.ones(4)]).astype(np.float32)
            found.append(Utterance((tokens,), target, f"{corpus}{speaker}", corpus, teacher))
    return found


def test_statistics_are_mean_and_deviation() -> None:
    vectors = np.array([[1.0, 2.0], [3.0, 2.0]], np.float16)
    assert statistics(vectors).tolist() == [2.0, 2.0, 1.0, 0.0]


def test_whose_voice_it_is_does_not_move_the_readout() -> None:
    rng = np.random.default_rng(0)
    labels, speakers = [n % 2 for n in range(80)], [f"s{n // 20}" for n in range(80)]
    values = rng.normal(0, 1, (80, 6)).astype(np.float32)
    values[:, 0] += np.array(labels)
    offsets = np.repeat(rng.normal(0, 0.5, (4, 6)), 20, axis=0).astype(np.float32)

    def said(values: np.ndarray) -> torch.Tensor:
        # Deviations differ with the offsets: weights are compared in the values' own units.
        found = Readout.fit(values, labels, speakers, ["a"] * 80, 2)
        return found.weight[1] / torch.from_numpy(found.deviation) / found.weight[1].norm()

    torch.testing.assert_close(said(values), said(values + offsets), rtol=0, atol=0.1)
    assert said(values).abs().argmax() == 0


def test_odd_recordings_are_cut_off() -> None:
    readout = Readout(np.zeros(4, np.float32), np.ones(4, np.float32), torch.eye(4), torch.ones(4))
    z = readout.standardised(np.full(4, 1e6, np.float32))
    assert z.tolist() == [LARGEST] * 4
    assert readout(torch.from_numpy(z)).tolist() == [LARGEST + 1] * 4


def test_the_head_that_ships_is_the_one_that_learned() -> None:
    torch.manual_seed(0)
    readout = Readout(
        np.zeros(6, np.float32), np.ones(6, np.float32), torch.randn(4, 6), torch.randn(4)
    )
    head, shipped = TaughtHead(12, readout), torch.nn.Linear(12, 4)
    head.fold_into(shipped)
    hidden = torch.randn(3, 5, 12)
    torch.testing.assert_close(shipped(hidden), head(hidden), rtol=0, atol=1e-5)


def test_what_the_teacher_does_not_hear_is_not_relied_on() -> None:
    """On a corpus where the shortcut of training points the other way, the readout is right."""
    learned, judged = heard("a", 2, shortcut=1.0), heard("b", 3, shortcut=-1.0)
    recipe = SessionRecipe(120, sessions=8, longest=6, learning_rate=5e-3, emotion=0.5)

    def right(taught: bool) -> float:
        model = small_model(small_config())
        readout = readout_of(learned) if taught else None
        train_sessions(model, learned, recipe, SpeakerConfig(), readout=readout)
        found = answers(model, judged, 0)
        return float((found.verdicts().argmax(1) == found.truth).mean())

    assert right(True) > 0.7
    assert right(True) > right(False) + 0.2


def test_a_readout_wants_the_teacher_of_every_utterance() -> None:
    learned = heard("a", 2, shortcut=0.0)
    some = [*learned, Utterance(learned[0].passes, learned[0].target, "a9", "a")]
    model = small_model(small_config())
    with pytest.raises(ValueError, match="a9 has no statistics of the teacher"):
        Batches(some, SessionRecipe(), model.speaker, {}, readout_of(learned))
