"""Each sequence of a model instance equals a single stream, whatever runs beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import edgeser
from edgeser.errors import AudioError, EdgeserError, StateError
from edgeser.results import EmotionFrame
from edgeser.streaming.utterances import UtteranceEvent
from edgeser.tritonserver.sequences import Heard, Piece, Sequences
from tests.sounds import speech_like

RATE = 16_000
Sound = npt.NDArray[np.float32]


def alone(
    model: edgeser.Model, sound: Sound, rate: int
) -> tuple[list[EmotionFrame], list[UtteranceEvent]]:
    frames: list[EmotionFrame] = []
    utterances = edgeser.Utterances(model, rate, on_frame=frames.append)
    events = utterances.process(sound)
    return frames, events + utterances.flush()


def heard(result: Heard | EdgeserError) -> Heard:
    assert isinstance(result, Heard), result
    return result


def test_they_equal_single_streams(model: edgeser.Model) -> None:
    random = np.random.default_rng(0)
    rates = {f"client {n}": [8_000, RATE, 44_100][n % 3] for n in range(7)}
    sounds = {
        name: speech_like(2.0, rate=rate, seed=n) for n, (name, rate) in enumerate(rates.items())
    }
    sequences = Sequences(model, 60)
    at = dict.fromkeys(sounds, 0)
    got: dict[str, tuple[list[EmotionFrame], list[UtteranceEvent]]] = {n: ([], []) for n in sounds}
    while at:
        turn = [name for name in at if random.random() < 0.6]
        pieces = []
        for name in turn:
            begin = at[name]
            at[name] += int(random.integers(0, 9_000))
            piece = sounds[name][begin : at[name]]
            ended = at[name] >= len(sounds[name])
            pieces.append(Piece(name, begin == 0 and not got[name][0], ended, piece, rates[name]))
        for name, piece, result in zip(turn, pieces, sequences.hear(pieces), strict=True):
            got[name][0].extend(heard(result).frames)
            got[name][1].extend(heard(result).events)
            if piece.end:
                del at[name]
    assert len(sequences) == 0
    for name, sound in sounds.items():
        assert got[name] == alone(model, sound, rates[name])


def test_a_bad_piece_is_refused_alone(toy_model: edgeser.Model) -> None:
    sequences = Sequences(toy_model, 60)
    sound = speech_like(1.0)
    results = sequences.hear(
        [
            Piece(1, True, False, sound),
            Piece(2, True, False, np.full(100, np.nan, np.float32)),
            Piece(3, True, False, sound, 5),
            Piece(4, False, False, sound),
            Piece(5, True, False, np.zeros(0, np.float32)),
        ]
    )
    assert [type(result) for result in results] == [
        Heard,
        AudioError,
        AudioError,
        StateError,
        Heard,
    ]
    assert "sequence_start" in str(results[3])
    # The refused chunk is as if it had not come; the sequence whose start failed never began.
    results = sequences.hear([Piece(2, False, True, sound), Piece(3, False, True, sound)])
    frames, events = alone(toy_model, sound, RATE)
    assert heard(results[0]) == Heard(frames, events)
    assert isinstance(results[1], StateError)
    assert len(sequences) == 2


def test_a_rate_stays(toy_model: edgeser.Model) -> None:
    sequences = Sequences(toy_model, 60)
    sound = speech_like(0.5)
    sequences.hear([Piece(1, True, False, sound, RATE)])
    (result,) = sequences.hear([Piece(1, False, False, sound, 8_000)])
    assert isinstance(result, StateError)
    assert "16000 Hz" in str(result)
    heard(sequences.hear([Piece(1, False, False, sound, RATE)])[0])


def test_starting_again_forgets(toy_model: edgeser.Model) -> None:
    sequences = Sequences(toy_model, 60)
    sound = speech_like(1.0)
    sequences.hear([Piece(1, True, False, speech_like(1.5, seed=3))])
    (result,) = sequences.hear([Piece(1, True, True, sound)])
    assert heard(result) == Heard(*alone(toy_model, sound, RATE))


def test_who_vanished_is_forgotten(toy_model: edgeser.Model) -> None:
    now = 0.0
    sequences = Sequences(toy_model, 60, clock=lambda: now)
    sound = speech_like(0.3)
    sequences.hear([Piece(n, True, False, sound) for n in range(100)])
    now = 59.0
    sequences.hear([Piece(7, False, False, sound)])
    assert len(sequences) == 100
    now = 61.0
    (result,) = sequences.hear([Piece(8, False, False, sound)])
    assert isinstance(result, StateError)
    assert len(sequences) == 1
    heard(sequences.hear([Piece(7, False, True, sound)])[0])
    assert len(sequences) == 0
