"""The TACN step in bfloat16 and int8, against float64 and plain PyTorch in the same precision."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edgeser import _kernels
from edgeser.errors import KernelError
from edgeser.reference import kernels as reference
from edgeser.reference.random_weights import tacn_weights, vq_weights
from tests.kernels import plain_torch
from tests.kernels.test_tacn import SIZES
from tests.kernels.tester import (
    LEVELS,
    CppTacn,
    Floats,
    assert_accurate,
    assert_same_bits,
    cpp_tacn,
    cpp_vq_fusion,
    random_tokens,
    run_alone,
)

every_level = pytest.mark.parametrize("level", LEVELS)
low_precision = pytest.mark.parametrize("precision", ["bfloat16", "int8"])
EPSILON = {"bfloat16": 2.0**-8, "int8": 1 / 127}
TIMES = 40


@cache
def oracle(name: str, precision: str) -> tuple[Floats, Floats]:
    """The float64 logits of a sequence, and plain PyTorch's in the precision."""
    width, heads, taps, dilations, outputs = SIZES[name]
    weights = tacn_weights(width, heads, taps, dilations, outputs)
    tokens = random_tokens(TIMES, width)
    plain = plain_torch.tacn(weights, tokens, precision)
    return plain, reference.tacn_offline(weights, tokens.astype(np.float64))


@every_level
@low_precision
@pytest.mark.parametrize("name", SIZES)
def test_at_most_twice_the_error_of_plain_torch(name: str, precision: str, level: str) -> None:
    width, heads, taps, dilations, outputs = SIZES[name]
    weights = tacn_weights(width, heads, taps, dilations, outputs)
    model = CppTacn(cpp_tacn(weights, level, precision))
    got = run_alone(model, random_tokens(TIMES, width))
    # A unit in the last place counts only where there are few values to average over.
    few = got.size < 1000
    assert_accurate(got, *oracle(name, precision), EPSILON[precision] / 4 if few else 0.0)


def test_plain_torch_in_float32_is_the_reference() -> None:
    """Ensures that the reference differs only in precision."""
    weights = tacn_weights(24, 3, 3, (1, 2, 4))
    tokens = random_tokens(TIMES, 24)
    want = reference.tacn_offline(weights, tokens.astype(np.float64))
    np.testing.assert_allclose(plain_torch.tacn(weights, tokens, "float32"), want, atol=1e-4)


@every_level
@low_precision
@pytest.mark.parametrize("sizes", [(512, 64, 16, 96, 64), (31, 7, 3, 5, 33), (2000, 3, 16, 5, 64)])
def test_fusion_errs_at_most_twice_as_much(
    sizes: tuple[int, ...], precision: str, level: str
) -> None:
    """As plain PyTorch in bfloat16, which both low precisions use here."""
    weights = vq_weights(*sizes)
    deep, latent = random_tokens(9, sizes[3]), random_tokens(9, sizes[2], sizes[1], seed=2)
    fusion = cpp_vq_fusion(weights, level, precision)
    tokens, codes = fusion(deep, latent)
    assert_same_bits(codes, cpp_vq_fusion(weights, level)(deep, latent)[1])  # the search is float32
    assert fusion.precision == precision
    want = reference.fuse(weights, deep.astype(np.float64), codes)
    assert_accurate(tokens, plain_torch.fuse(weights, deep, codes), want, 0.0)


@low_precision
def test_is_really_lower(precision: str) -> None:
    """Its weights are rounded: between a hundredth of the precision's step and ten steps."""
    weights = tacn_weights(64, 8)
    tokens = random_tokens(TIMES, 64)
    want = reference.tacn_offline(weights, tokens.astype(np.float64))
    got = run_alone(CppTacn(cpp_tacn(weights, None, precision)), tokens)
    error = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
    assert 0.01 * EPSILON[precision] < error < 10 * EPSILON[precision]


@every_level
def test_weights_that_int8_holds_cost_nothing(level: str) -> None:
    """One token without history; weights and inputs are integers, so sums are exact."""
    rng = np.random.default_rng(0)
    weights = tacn_weights(12, 3, 3, (1,), 5)
    for name in ("value", "bias", "output"):
        getattr(weights, name)[:] = 0  # the layer passes its input on
    weights.head_weight[:] = rng.integers(-127, 128, (12, 5))
    weights.head_weight[0] = 127
    tokens = rng.integers(-127, 128, (20, 12)).astype(np.float32)
    tokens[:, 1] = -127
    got = run_alone(CppTacn(cpp_tacn(weights, level, "int8")), tokens)
    want = (tokens @ weights.head_weight + weights.head_bias).astype(np.float32)
    np.testing.assert_allclose(got, want, rtol=1e-6)


@every_level
@low_precision
def test_the_scale_of_tokens_hardly_matters(precision: str, level: str) -> None:
    """Each row has its own scale, from tiny to huge."""
    weights = tacn_weights(16, 4, 3, (1, 2))
    weights.bias[:] = 0
    weights.head_bias[:] = 0
    weights.query[:] = 0  # so that the network is homogeneous
    model = CppTacn(cpp_tacn(weights, level, precision))
    tokens = random_tokens(9, 16)
    want = run_alone(model, tokens)
    for scale in (2.0**-60, 2.0**60):
        assert_same_bits(run_alone(model, tokens * np.float32(scale)) / np.float32(scale), want)
    assert not run_alone(model, 0 * tokens).any()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_state_goes_on_in_bfloat16(precision: str) -> None:
    """The rings are the same in both, so a stream may change over."""
    weights = tacn_weights(32, 8)
    tokens = random_tokens(60, 32)
    want = reference.tacn_offline(weights, tokens.astype(np.float64))
    before, after = cpp_tacn(weights), cpp_tacn(weights, None, precision)
    assert before.state_bytes == after.state_bytes
    assert after.precision == precision
    state = np.zeros(before.state_bytes, np.uint8)
    run_alone(CppTacn(before), tokens[:30], state)
    got = run_alone(CppTacn(after), tokens[30:], state)
    assert np.abs(got - want[30:]).max() < 0.1 * np.abs(want).max()


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(KernelError, match=r"no 'float16'; use float32, bfloat16 or int8"):
        cpp_tacn(tacn_weights(), None, "float16")


def test_the_default_is_float32() -> None:
    assert cpp_tacn(tacn_weights()).precision == "float32"
    assert _kernels.simd_levels()[-1] == "plain"
