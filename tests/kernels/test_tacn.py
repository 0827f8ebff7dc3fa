"""The TACN step of every backend, against the float64 reference and its own promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeser.errors import KernelError
from edgeser.reference import kernels as reference
from edgeser.reference.random_weights import tacn_weights
from tests.kernels.tester import (
    LEVELS,
    PRECISIONS,
    TACN_BACKENDS,
    CppTacn,
    Floats,
    TacnBackend,
    assert_accurate,
    assert_same_bits,
    cpp_tacn,
    random_tokens,
    run_alone,
    run_sequence,
)

every_backend = pytest.mark.parametrize("backend", TACN_BACKENDS, ids=lambda b: b.name)

# width, heads, taps, dilations, outputs
SIZES = {
    "default": (64, 8, 3, (1, 2, 4, 8, 16), 5),
    "odd": (24, 3, 3, (1, 2, 4, 8), 5),
    "one": (1, 1, 2, (1,), 1),
    "two-taps": (40, 20, 2, (1, 2, 4), 64),
    "eight-taps": (33, 11, 8, (1, 3), 17),
    "one-head": (65, 1, 5, (2, 1), 16),
    "all-heads": (48, 48, 3, (1, 2), 33),
    "wide": (512, 16, 3, (1,), 5),
    "widest": (512, 512, 8, (1,), 64),
}


@cache
def oracle(name: str, times: int) -> tuple[Floats, Floats]:
    """The float64 logits of a sequence, and plain float32's."""
    width, heads, taps, dilations, outputs = SIZES[name]
    weights = tacn_weights(width, heads, taps, dilations, outputs)
    tokens = random_tokens(times, width)
    plain = reference.tacn_offline(weights.astype(np.float32), tokens)
    return reference.tacn_offline(weights, tokens.astype(np.float64)), plain


def skip_if_too_wide(backend: TacnBackend, width: int) -> None:
    if width > backend.largest_width:
        pytest.skip(f"{backend.name} takes widths up to {backend.largest_width}")


@every_backend
@pytest.mark.parametrize("name", SIZES)
def test_steps_equal_the_whole_sequence(backend: TacnBackend, name: str) -> None:
    # A fresh stream's first tokens have masked taps, so those are in here too.
    width, heads, taps, dilations, outputs = SIZES[name]
    weights = tacn_weights(width, heads, taps, dilations, outputs)
    skip_if_too_wide(backend, width)
    want, plain = oracle(name, 50)
    times, got = run_sequence(backend, weights, random_tokens(50, width))
    assert_accurate(got, plain[times], want[times])


@every_backend
def test_rings_wrap_around(backend: TacnBackend) -> None:
    weights = tacn_weights(8, 2, 3, [2**n for n in range(8)])
    tokens = random_tokens(2 * 2 * 128 + 100, 8)
    want = reference.tacn_offline(weights, tokens.astype(np.float64))
    plain = reference.tacn_offline(weights.astype(np.float32), tokens)
    times, got = run_sequence(backend, weights, tokens)
    assert_accurate(got, plain[times], want[times])
    late = times[-50:][times[-50:] >= len(tokens) - 50]
    assert_accurate(got[-len(late) :], plain[late], want[late])


def test_the_reference_steps_as_it_runs_offline() -> None:
    weights = tacn_weights(12, 3, 4, (1, 2, 4))
    tokens = random_tokens(60, 12).astype(np.float64)
    steps = reference.tacn_steps(weights, tokens)
    np.testing.assert_allclose(steps, reference.tacn_offline(weights, tokens), atol=1e-12)


@every_backend
def test_large_scores_do_not_overflow(backend: TacnBackend) -> None:
    weights = tacn_weights(16, 4, 3, (1, 2))
    tokens = 100 * random_tokens(20, 16)  # scores of some 10^4
    want = reference.tacn_offline(weights, tokens.astype(np.float64))
    plain = reference.tacn_offline(weights.astype(np.float32), tokens)
    assert_accurate(run_alone(backend.load(weights), tokens), plain, want)


@every_backend
def test_batches_of_any_ages_equal_single_streams(backend: TacnBackend) -> None:
    weights = tacn_weights(24, 3)
    model = backend.load(weights)
    rng = np.random.default_rng(3)
    together = []
    for age in (0, 1, 2, 3, 5, 13, 14, 15, 40):
        state = model.fresh()
        if age:
            run_alone(model, random_tokens(age, 24, seed=age), state)
        together.append(state)
    alone = deepcopy(together)

    for _ in range(2 if backend.slow else 6):
        tokens = rng.standard_normal((9, 24)).astype(np.float32)
        active = rng.random(9) < 0.6
        tokens[~active] = np.nan  # whoever sits out may hold anything
        logits = model.step(tokens, together, active)
        for row in range(9):
            if active[row]:
                assert_same_bits(
                    logits[row : row + 1], model.step(tokens[row : row + 1], [alone[row]])
                )
            else:
                assert np.isnan(logits[row]).all()
    for a, b in zip(together, alone, strict=True):
        if isinstance(a, np.ndarray):
            assert_same_bits(a, b)


@every_backend
def test_a_copied_state_continues(backend: TacnBackend) -> None:
    weights = tacn_weights()
    model = backend.load(weights)
    tokens = random_tokens(20, 16)
    state = model.fresh()
    run_alone(model, tokens[:11], state)
    snapshot = deepcopy(state)
    want = run_alone(model, tokens[11:], state)
    assert_same_bits(run_alone(backend.load(weights), tokens[11:], snapshot), want)


@every_backend
def test_causal_and_forgetful(backend: TacnBackend) -> None:
    """A token changes no output before it, and none after the receptive field."""
    weights = tacn_weights(16, 4, 3, (1, 2))  # receptive field 1 + 2 * 3
    model = backend.load(weights)
    tokens = random_tokens(22, 16)
    changed = tokens.copy()
    changed[12] += 1
    a, b = run_alone(model, tokens), run_alone(model, changed)
    differs = (a != b).any(axis=1)
    assert differs[[12, 13, 14, 16, 18]].all()
    assert not differs[:12].any()
    assert not differs[12 + 7 :].any()


@settings(max_examples=50, deadline=None)
@given(
    depth=st.integers(1, 9),
    heads=st.integers(1, 20),
    taps=st.integers(2, 8),
    dilations=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    outputs=st.integers(1, 64),
    streams=st.integers(1, 20),
    precision=st.sampled_from(PRECISIONS),
    projections=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_level_and_batch_size_returns_the_same_bits(
    depth: int,
    heads: int,
    taps: int,
    dilations: list[int],
    outputs: int,
    streams: int,
    precision: str,
    projections: bool,
    seed: int,
) -> None:
    """Whether rings store inputs, or Q, K and V."""
    width = depth * heads
    weights = tacn_weights(width, heads, taps, dilations, outputs, seed)
    tokens = random_tokens(12, streams, width, seed=seed)
    first_logits = first_states = None
    for level in LEVELS:
        model = cpp_tacn(weights, level, precision, projections=projections)
        states = np.zeros((streams, model.state_bytes), np.uint8)
        together = np.stack([model.step(rows, list(states)) for rows in tokens])
        alone = np.zeros(model.state_bytes, np.uint8)
        row = seed % streams
        for t, rows in enumerate(tokens):
            assert_same_bits(model.step(rows[row : row + 1], [alone])[0], together[t, row])
        assert_same_bits(alone, states[row])
        if first_logits is None or first_states is None:
            first_logits, first_states = together, states
        assert_same_bits(together, first_logits)
        assert_same_bits(states, first_states)
    other = cpp_tacn(weights, LEVELS[0], precision, projections=not projections)
    states = np.zeros((streams, other.state_bytes), np.uint8)
    assert_same_bits(np.stack([other.step(rows, list(states)) for rows in tokens]), first_logits)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("streams", [2, 63, 64, 65, 130])
def test_large_batches(streams: int, precision: str) -> None:
    """More streams than fit in one block of rows."""
    weights = tacn_weights(24, 8)
    tokens = random_tokens(3, streams, 24)
    for level in LEVELS:
        model = cpp_tacn(weights, level, precision)
        states = list(np.zeros((streams, model.state_bytes), np.uint8))
        together = np.stack([model.step(rows, states) for rows in tokens])
        for row in (0, streams // 2, streams - 1):
            alone = [np.zeros(model.state_bytes, np.uint8)]
            single = np.stack([model.step(rows[row : row + 1], alone) for rows in tokens])
            assert_same_bits(single[:, 0], together[:, row])


def test_the_state_block_is_laid_out_as_documented() -> None:
    weights = tacn_weights(15, 3, 3, (1, 2), seed=5)
    tokens = random_tokens(7, 15)

    def after(bytes_a_slot: int, **options: Any) -> npt.NDArray[np.uint8]:
        model = cpp_tacn(weights, **options)
        assert model.receptive_field == 7
        assert model.state_bytes == 64 + bytes_a_slot * (2 + 4)
        state = np.zeros(model.state_bytes, np.uint8)
        for token in tokens:
            model.step(token[None], [state])
        assert state[:8].view(np.int64)[0] == 7
        assert not state[8:64].any()
        return state[64:]

    ring = after(4 * 15).view(np.float32)[: 2 * 15].reshape(2, 15)
    assert_same_bits(ring[[1, 0]], tokens[5:])  # the input of the first layer
    ring = after(4 + 16, precision="int8")[: 2 * 20].reshape(2, 20)
    scales = np.abs(tokens[5:]).max(1) / 127
    np.testing.assert_allclose(ring[[1, 0], :4].copy().view(np.float32)[:, 0], scales, rtol=1e-6)
    rounded = np.rint(tokens[5:] / scales[:, None])
    assert (ring[[1, 0], 4:19].view(np.int8) == rounded).all()
    assert not ring[:, 19].any()
    ring = after(4 * 3 * 15, projections=True).view(np.float32)
    ring = ring[: 2 * 45].reshape(2, 3, 5, 3)  # slot, QKV, element, head
    for t in (5, 6):
        for part, matrix in enumerate((weights.query, weights.key, weights.value)):
            natural = (tokens[t] @ matrix[0]).reshape(3, 5)  # head, element
            np.testing.assert_allclose(ring[t % 2, part], natural.T, atol=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_widest_batches(precision: str) -> None:
    """Few rows of this width fit in the scratch memory, and the last block is partial."""
    weights = tacn_weights(512, 512, 8, (1,), 64)
    tokens = random_tokens(9, 13, 512)
    model = cpp_tacn(weights, None, precision)
    states = list(np.zeros((13, model.state_bytes), np.uint8))
    together = np.stack([model.step(rows, states) for rows in tokens])
    for row in (0, 12):
        single = run_alone(CppTacn(model), tokens[:, row])
        assert_same_bits(single, np.ascontiguousarray(together[:, row]))


def test_threads_share_a_model() -> None:
    model = cpp_tacn(tacn_weights(32, 8))
    tokens = random_tokens(200, 32)

    def stream(_: int) -> Floats:
        state = np.zeros(model.state_bytes, np.uint8)
        return np.concatenate([model.step(token[None], [state]) for token in tokens])

    want = stream(0)
    with ThreadPoolExecutor(4) as threads:
        for got in threads.map(stream, range(8)):
            assert_same_bits(got, want)


def test_an_empty_batch() -> None:
    model = cpp_tacn(tacn_weights(16))
    assert model.step(np.zeros((0, 16), np.float32), []).shape == (0, 5)


@pytest.mark.parametrize("before", [0, 1, 5, 13])
@pytest.mark.parametrize("steps", [0, 1, 3, 40])
@pytest.mark.parametrize("rings", ["float32", "int8", "projections"])
def test_steps_can_be_taken_back(before: int, steps: int, rings: str) -> None:
    weights = tacn_weights(20)
    precision = "int8" if rings == "int8" else "float32"
    model = cpp_tacn(weights, None, precision, projections=rings == "projections")
    assert model.rings == rings
    state = np.zeros(model.state_bytes, np.uint8)
    for token in random_tokens(before, 1, model.width):
        model.step(token, [state])
    was = state.copy()
    kept = model.keep(state, steps)
    for taken in {0, steps // 2, steps}:
        for token in random_tokens(taken, 1, model.width, seed=2):
            model.step(token, [state])
        model.put_back(state, kept)
        assert_same_bits(state, was)


def test_what_was_kept_is_small() -> None:
    model = cpp_tacn(tacn_weights(64, 8, 3, [1 << n for n in range(8)]))
    assert model.keep(np.zeros(model.state_bytes, np.uint8), 1).size < model.state_bytes / 60


def test_only_what_was_kept_is_put_back() -> None:
    model = cpp_tacn(tacn_weights())
    state = np.ones(model.state_bytes, np.uint8)
    for kept in (np.zeros(3, np.uint8), np.zeros(72, np.uint8) + np.uint8(1), state):
        with pytest.raises(KernelError, match="kept: not what keep"):
            model.put_back(state, kept)
    assert (state == 1).all()
