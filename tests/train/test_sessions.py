"""Gate, speaker statistics and sessions in a stream."""

import numpy as np
import pytest
import torch

from tests.train.models import small_config, small_model, voice
from train.answers import answers
from train.models.gate import Gate, GateConfig
from train.models.segment import HOP, LEAD, led_in
from train.models.speaker import Speaker, SpeakerConfig
from train.session_training import measured, train_sessions
from train.sessions import SessionRecipe, Sessions, Utterance


def test_the_gate_remembers_so_many_tokens_and_no_more() -> None:
    torch.manual_seed(0)
    gate = Gate(6, GateConfig(memory=2, hidden=5))
    tokens = torch.randn(1, 9, 6)
    moved = tokens.clone()
    moved[0, 3] += 1
    changed = (gate(tokens) != gate(moved))[0].tolist()
    assert changed == [False] * 3 + [True] * 3 + [False] * 3


def test_the_gate_token_by_token_is_that_of_the_whole() -> None:
    torch.manual_seed(1)
    gate = Gate(6, GateConfig(memory=3, hidden=5))
    tokens, whole = torch.randn(2, 7, 6), []
    for t in range(7):
        past = [tokens[:, t - age] for age in range(1, 4) if t >= age]
        whole.append(gate.step(tokens[:, t], past))
    torch.testing.assert_close(torch.stack(whole, 1), gate(tokens))


def test_a_speaker_who_never_varies_is_believed_less() -> None:
    speaker = Speaker(4, SpeakerConfig(adapt=True, prior=4.0, floor=0.3, bound=2.0))
    steady = varied = speaker.fresh(1)
    for n in range(6):
        steady = speaker.commit(steady, torch.full((1, 4), 1.0), torch.tensor([9]))
        varied = speaker.commit(varied, torch.full((1, 4), 3.0 * (n % 2)), torch.tensor([9]))
    assert float(speaker.weight(steady)) == pytest.approx(0.6 * 0.3)
    assert float(speaker.weight(varied)) == pytest.approx(0.6)
    moved = speaker(torch.zeros(1, 1, 4), varied) - speaker.weight(varied) * speaker.known
    torch.testing.assert_close(moved, torch.full((1, 1, 4), -0.9))


def test_the_shift_is_bounded_and_short_utterances_teach_nothing() -> None:
    speaker = Speaker(3, SpeakerConfig(adapt=True, floor=1.0, bound=0.5))
    heard = speaker.commit(speaker.fresh(1), torch.full((1, 3), 50.0), torch.tensor([3]))
    assert float(heard.utterances) == 0
    heard = speaker.commit(heard, torch.full((1, 3), 50.0), torch.tensor([4]))
    assert speaker(torch.zeros(1, 1, 3), heard).detach()[0, 0, 0] == -0.5


def test_digital_silence_empties_the_gate_and_a_pause_unsets_the_level() -> None:
    model, audio = small_model(), voice(2.0)
    quiet = torch.zeros(1, 4 * HOP)
    led = led_in(torch.cat([quiet, audio], 1))
    late, scores = model.hear(led, 0.5, 3)
    fresh, own = model.hear(led_in(audio), 0.5, 3)
    assert (scores[0, :4] < -1000).all()
    torch.testing.assert_close(late[:, 4:], fresh, rtol=0, atol=1e-5)
    torch.testing.assert_close(scores[:, 4:], own, rtol=0, atol=1e-5)
    assert led.shape[1] == LEAD + (fresh.shape[1] + 4) * HOP


def utterances(seed: int = 0) -> list[Utterance]:
    """Two corpora of three speakers; speaker offsets exceed the differences between emotions."""
    rng, found = np.random.default_rng(seed), []
    moods = rng.normal(0, 1.0, (2, 12))
    for corpus in ("a", "b"):
        for speaker in range(3):
            offset = rng.normal(0, 2.0, 12)
            for n in range(12):
                label = n % 2
                tokens = offset + moods[label] + rng.normal(0, 0.7, (9, 12))
                target = tuple(float(k == label) for k in range(4))
                passes = (tokens.astype(np.float32), tokens.astype(np.float32))
                found.append(Utterance(passes, target, f"{corpus}{speaker}", corpus))
    return found


def test_sessions_are_of_one_speaker_in_one_room() -> None:
    draw = Sessions(utterances(), SessionRecipe(sessions=20, longest=5))
    sessions, corpora = draw()
    assert len(sessions) == len(corpora) == 20
    for session, corpus in zip(sessions, corpora, strict=True):
        assert 1 <= len(session) <= 5
        assert len({one.speaker for one, _ in session}) == 1
        assert len({room for _, room in session}) == 1
        assert session[0][0].corpus == corpus


def test_hearing_more_of_a_speaker_helps() -> None:
    model = small_model(small_config())
    heard = utterances()
    learned = [u for u in heard if not u.speaker.endswith("2")]
    recipe = SessionRecipe(steps=150, sessions=6, longest=8, learning_rate=5e-3)
    train_sessions(model, learned, recipe, SpeakerConfig(prior=1.0, floor=0.5))
    unknown = [u for u in heard if u.speaker.endswith("2")]

    def right(before: int) -> float:
        found = [answers(model, unknown, before, seed=s) for s in range(3)]
        return float(np.mean([(a.verdicts().argmax(1) == a.truth).mean() for a in found]))

    assert right(8) > 0.8
    assert right(8) > right(0)


def test_the_measure_of_a_voice_is_not_what_it_said_most() -> None:
    speaker = Speaker(12)
    heard = [u for u in utterances() if u.label == 0 or u.speaker != "a0"]
    measured(speaker, heard, 0)
    assert (speaker.deviation > 0).all()
    assert (speaker.between > 0).all()
    assert speaker.neutral.abs().max() > 0
