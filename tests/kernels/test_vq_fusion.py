"""The fused codebook lookup of every backend, against the float64 reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeser.reference import kernels as reference
from edgeser.reference.random_weights import vq_weights
from tests.kernels.tester import (
    LEVELS,
    PRECISIONS,
    VQ_BACKENDS,
    VQFusionBackend,
    assert_accurate,
    assert_same_bits,
    cpp_vq_fusion,
    random_tokens,
)

every_backend = pytest.mark.parametrize(
    "backend",
    [pytest.param(b, id=b.name, marks=[pytest.mark.slow] if b.slow else []) for b in VQ_BACKENDS],
)

# codes, code width, positions, deep width, token width
SIZES = {
    "default": (512, 64, 16, 96, 64),
    "odd": (511, 63, 7, 65, 24),
    "one": (1, 1, 1, 1, 1),
    "narrow": (100, 1, 64, 3, 33),
    "wide": (17, 512, 2, 5, 130),
    "no table": (2000, 3, 16, 5, 64),  # of every code at every position: it would be too large
}


@every_backend
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("rows", [1, 7])
def test_equals_the_oracle(backend: VQFusionBackend, name: str, rows: int) -> None:
    weights = vq_weights(*SIZES[name])
    _, width, positions, deep_width, token_width = SIZES[name]
    if max(width, token_width) > backend.largest_width:
        pytest.skip(f"{backend.name} takes widths up to {backend.largest_width}")
    deep = random_tokens(rows, deep_width)
    latent = random_tokens(rows, positions, width, seed=2)
    tokens, codes = backend.load(weights)(deep, latent)

    # In float32 another code may win, but only one that is as near to within rounding.
    distances = reference.squared_distances(latent.astype(np.float64), weights.codebook)
    chosen = np.take_along_axis(distances, codes[..., None].astype(np.int64), -1)[..., 0]
    scale = (latent**2).sum(-1) + (weights.codebook**2).sum(-1).max()
    assert codes.dtype == np.int32
    assert (chosen - distances.min(-1) <= 1e-6 * scale).all()

    plain = reference.fuse(weights.astype(np.float32), deep, codes)
    assert_accurate(tokens, plain, reference.fuse(weights, deep.astype(np.float64), codes))


@every_backend
def test_exact_ties_go_to_the_lowest_index(backend: VQFusionBackend) -> None:
    weights = vq_weights(100, 5, 4)
    weights.codebook[:] = weights.codebook[np.arange(100) % 13]
    latent = random_tokens(50, 4, 5)
    _, codes = backend.load(weights)(random_tokens(50, 96), latent)
    assert codes.max() < 13
    assert (codes == reference.nearest_codes(latent.astype(np.float64), weights.codebook)).all()


@every_backend
def test_a_code_finds_itself(backend: VQFusionBackend) -> None:
    weights = vq_weights(511, 32, 7)
    codes = np.random.default_rng(4).integers(0, 511, (9, 7))
    latent = weights.codebook.astype(np.float32)[codes]
    _, found = backend.load(weights)(random_tokens(9, 96), latent)
    assert (found == codes).all()


@settings(max_examples=25, deadline=None)
@given(
    codes=st.integers(1, 150),
    code_width=st.integers(1, 20),
    positions=st.integers(1, 9),
    deep_width=st.integers(1, 20),
    token_width=st.integers(1, 140),
    rows=st.integers(1, 15),
    precision=st.sampled_from(PRECISIONS),
    seed=st.integers(0, 1000),
)
def test_every_level_and_batch_size_returns_the_same_bits(
    codes: int,
    code_width: int,
    positions: int,
    deep_width: int,
    token_width: int,
    rows: int,
    precision: str,
    seed: int,
) -> None:
    weights = vq_weights(codes, code_width, positions, deep_width, token_width, seed)
    deep = random_tokens(rows, deep_width, seed=seed)
    latent = random_tokens(rows, positions, code_width, seed=seed + 1)
    want = cpp_vq_fusion(weights, "plain", precision)(deep, latent)
    for level in LEVELS:
        fusion = cpp_vq_fusion(weights, level, precision)
        for got, expected in zip(fusion(deep, latent), want, strict=True):
            assert_same_bits(got, expected)
        row = seed % rows
        one = slice(row, row + 1)
        for got, expected in zip(fusion(deep[one], latent[one]), want, strict=True):
            assert_same_bits(got, expected[one])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_level_returns_the_same_bits_without_a_table(precision: str) -> None:
    weights = vq_weights(*SIZES["no table"])
    deep, latent = random_tokens(7, 5), random_tokens(7, 16, 3, seed=2)
    want, _ = cpp_vq_fusion(weights, "plain", precision)(deep, latent)
    for level in LEVELS:
        got, _ = cpp_vq_fusion(weights, level, precision)(deep, latent)
        assert_same_bits(got, want)


def test_declares_its_sizes() -> None:
    fusion = cpp_vq_fusion(vq_weights(10, 3, 4, 5, 6))
    assert (fusion.codes, fusion.code_width, fusion.positions) == (10, 3, 4)
    assert (fusion.deep_width, fusion.token_width) == (5, 6)
    assert fusion.simd == LEVELS[0]


def test_an_empty_batch() -> None:
    fusion = cpp_vq_fusion(vq_weights(10, 3, 4, 5, 6))
    tokens, codes = fusion(np.zeros((0, 5), np.float32), np.zeros((0, 4, 3), np.float32))
    assert tokens.shape == (0, 6)
    assert codes.shape == (0, 4)
