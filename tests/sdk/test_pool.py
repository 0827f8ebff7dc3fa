"""Promise 4: streams in a batch give the same results as alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgeser
from tests import toy
from tests.forged import busy as held
from tests.sounds import noise, speech_like

RATES = [16_000, 48_000, 8_000, 44_100, 16_000]


def close(one: list[edgeser.EmotionFrame], other: list[edgeser.EmotionFrame]) -> bool:
    """Whether two lists of frames agree to the rounding of a batched front end."""
    return len(one) == len(other) and all(
        a.time == b.time
        and abs(a.speech - b.speech) < 1e-5
        and abs(a.level - b.level) < 1e-3
        and all(
            abs(a.probabilities[label] - b.probabilities[label]) < 1e-5 for label in a.probabilities
        )
        for a, b in zip(one, other, strict=True)
    )


def test_mixed_ages_rates_and_absences(model: edgeser.Model) -> None:
    random = np.random.default_rng(3)
    pool = model.pool()
    sounds = [speech_like(6.0, rate, seed) for seed, rate in enumerate(RATES)]
    pooled = [pool.stream(rate) for rate in RATES]
    single = [model.stream(rate) for rate in RATES]
    taken = [0] * len(RATES)
    for _ in range(25):
        chunks, expected = {}, {}
        for i, rate in enumerate(RATES):
            length = int(random.integers(1, rate // 2))
            chunk = sounds[i][taken[i] : taken[i] + length]
            if random.random() < 0.4 or chunk.size == 0:
                continue  # not every microphone has something every time
            taken[i] += length
            chunks[pooled[i]] = chunk
            expected[pooled[i]] = single[i].process(chunk)
        frames = pool.process(chunks)
        assert list(frames) == list(chunks)
        assert frames == expected
    assert min(taken) > 0
    assert len(set(taken)) > 1
    for one, other in zip(pooled, single, strict=True):
        assert one.flush() == other.flush()


def test_a_pool_of_one_is_a_stream(model: edgeser.Model) -> None:
    sound = speech_like(1.5)
    pool = model.pool()
    stream = pool.stream(16_000)
    assert pool.process({stream: sound})[stream] == model.stream(16_000).process(sound)


def test_more_streams_than_a_batch(toy_model: edgeser.Model) -> None:
    pool = toy_model.pool()
    streams = [pool.stream(16_000) for _ in range(150)]
    sounds = [noise(2_048 * (1 + i % 3), seed=i) for i in range(150)]
    frames = pool.process(dict(zip(streams, sounds, strict=True)))
    for stream, sound in zip(streams, sounds, strict=True):
        assert frames[stream] == toy_model.stream(16_000).process(sound)


def test_with_a_graph_to_rounding(tmp_path: Path) -> None:
    model = edgeser.load(toy.write(tmp_path / "graph.edgeser", layers=False), allow_onnx=True)
    pool = model.pool()
    streams = [pool.stream(16_000) for _ in range(70)]
    sounds = [noise(2_048 * (1 + i % 3), seed=i) for i in range(70)]
    frames = pool.process(dict(zip(streams, sounds, strict=True)))
    for stream, sound in zip(streams, sounds, strict=True):
        assert close(frames[stream], model.stream(16_000).process(sound))


def test_utterances_in_a_pool_are_what_they_are_alone(toy_model: edgeser.Model) -> None:
    pool = toy_model.pool()
    rules = edgeser.Endpointing(hangover=0.3)
    sounds = [
        np.concatenate([speech_like(2.0, rate, rate), np.zeros(2 * rate, np.float32)])
        for rate in RATES
    ]
    together = [edgeser.Utterances(toy_model, rate, rules) for rate in RATES]
    events = pool.hear(dict(zip(together, sounds, strict=True)))
    for one, sound, rate in zip(together, sounds, RATES, strict=True):
        alone = edgeser.Utterances(toy_model, rate, rules).process(sound)
        assert events[one] == alone
        assert any(isinstance(event, edgeser.Utterance) for event in alone)


def test_a_row_that_sits_out_is_untouched(toy_model: edgeser.Model) -> None:
    pool = toy_model.pool()
    long, short = pool.stream(16_000), pool.stream(16_000)
    pool.process({long: noise(2_048), short: noise(2_048)})
    before = short.state()
    pool.process({long: noise(20_480)})
    assert short.state() == before


def test_nothing_to_do(toy_model: edgeser.Model) -> None:
    assert toy_model.pool().process({}) == {}


def test_one_bad_chunk_touches_no_stream(toy_model: edgeser.Model) -> None:
    pool = toy_model.pool()
    good, bad = pool.stream(16_000), pool.stream(48_000)
    pool.process({good: noise(3_000), bad: noise(9_000)})
    before = good.state(), bad.state()
    broken = noise(5_000)
    broken[77] = np.nan
    with pytest.raises(edgeser.AudioError, match=r"sample 77"):
        pool.process({good: noise(5_000), bad: broken})
    assert (good.state(), bad.state()) == before


def test_a_busy_stream_touches_no_other(toy_model: edgeser.Model) -> None:
    pool = toy_model.pool()
    free, busy = pool.stream(16_000), pool.stream(16_000)
    before = free.state()
    with held(busy), pytest.raises(edgeser.StreamBusyError):
        pool.process({free: noise(5_000), busy: noise(5_000)})
    assert free.state() == before
    assert len(pool.process({free: noise(5_000), busy: noise(5_000)})[busy]) == 2


def test_streams_of_another_model_are_refused(toy_model: edgeser.Model, toy_path: str) -> None:
    stranger = edgeser.load(toy_path).stream(16_000)
    with pytest.raises(edgeser.StateError, match="another model"):
        toy_model.pool().process({stranger: noise(100)})
    with pytest.raises(edgeser.StateError, match="keys"):
        toy_model.pool().process({"left": noise(100)})  # type: ignore[dict-item]


def test_what_belongs_to_the_other_method_is_named(toy_model: edgeser.Model) -> None:
    pool, sound = toy_model.pool(), np.zeros(100, np.float32)
    stream, utterances = toy_model.stream(8_000), edgeser.Utterances(toy_model, 8_000)
    with pytest.raises(edgeser.StateError, match=r"not Utterances: .* to pool\.hear"):
        pool.process({stream: sound, utterances: sound})  # type: ignore[dict-item]
    with pytest.raises(edgeser.StateError, match=r"not Stream: .* to pool\.process"):
        pool.hear({utterances: sound, stream: sound})  # type: ignore[dict-item]
    assert stream.position == utterances.position == 0
