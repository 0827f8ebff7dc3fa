"""Promises of the Triton kernels alone; the tester covers those of all backends.

On a GPU where there is one, else interpreted, with products as on tensor cores.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from edgeser.backends.cuda.triton.launch import CONFIGURATIONS, Configuration
from edgeser.reference import kernels as reference
from edgeser.reference.random_weights import tacn_weights, vq_weights
from tests.kernels import plain_torch, tensor_cores
from tests.kernels.test_tacn import SIZES
from tests.kernels.tester import (
    CppTacn,
    Floats,
    assert_accurate,
    assert_same_bits,
    cpp_tacn,
    random_tokens,
    run_alone,
)
from tests.kernels.triton_backend import (
    TritonBackend,
    TritonTacnBackend,
    TritonVQFusionBackend,
    backends,
)

PRECISIONS = {"fp16": "float16", "bf16": "bfloat16"}
EPSILON = {"fp16": 2.0**-11, "bf16": 2.0**-8}
LOW = [
    pytest.param(backend, id=backend.name)
    for precision in PRECISIONS
    for backend in backends("tacn_step", precision)
]
LOW_VQ = [
    pytest.param(backend, id=backend.name)
    for precision in PRECISIONS
    for backend in backends("vq_fusion", precision)
]


def test_a_stream_moves_from_the_cpu_and_back() -> None:
    weights = tacn_weights(24, 3, 3, (1, 2, 4))
    tokens = random_tokens(40, 24)
    cpu = CppTacn(cpp_tacn(weights, projections=True))
    whole = run_alone(cpu, tokens)
    for backend in backends("tacn_step"):
        model, state = backend.load(weights), cpu.fresh()
        run_alone(cpu, tokens[:21], state)
        middle = run_alone(model, tokens[21:29], state)
        end = run_alone(cpu, tokens[29:], state)
        np.testing.assert_allclose(np.concatenate((middle, end)), whole[21:], atol=1e-5)


@pytest.mark.parametrize("chosen", CONFIGURATIONS["tacn_step"], ids=lambda c: str(c.block_rows))
def test_batches_of_several_programs(chosen: Configuration) -> None:
    """35 streams of other ages, the last program not full; every fifth sits out."""
    weights = tacn_weights(8, 2, 3, (1, 2))
    model = TritonTacnBackend(chosen).load(weights)
    count = 35 if chosen.block_rows > 1 else 3
    rng = np.random.default_rng(0)
    rings = rng.standard_normal((count, 3 * 8 * (2 + 4))).astype(np.float32).view(np.uint8)
    before = np.concatenate((np.zeros((count, 64), np.uint8), rings), axis=1)
    before[:, :8].view(np.int64)[:, 0] = np.arange(count) % 7
    states, expected = before.copy(), before.copy()
    tokens, active = random_tokens(count, 8), np.arange(count) % 5 != 2
    got = model.step(tokens, list(states), active)
    want = cpp_tacn(weights, projections=True).step(tokens, list(expected), active)
    np.testing.assert_allclose(got, want, atol=1e-5, equal_nan=True)
    assert_same_bits(states[~active], before[~active])
    np.testing.assert_allclose(
        states[:, 64:].view(np.float32), expected[:, 64:].view(np.float32), atol=1e-5
    )
    assert_same_bits(states[:, :64], expected[:, :64])


@pytest.mark.parametrize("chosen", CONFIGURATIONS["vq_fusion"], ids=lambda c: str(c.block_rows))
def test_lookups_of_several_programs(chosen: Configuration) -> None:
    weights = vq_weights(40, 8, 5, 12, 16)
    deep, latent = random_tokens(19, 12), random_tokens(19, 5, 8, seed=2)
    tokens, codes = TritonVQFusionBackend(chosen).load(weights)(deep, latent)
    assert (codes == reference.nearest_codes(latent.astype(np.float64), weights.codebook)).all()
    want = reference.fuse(weights, deep.astype(np.float64), codes)
    np.testing.assert_allclose(tokens, want, atol=1e-5)


@cache
def oracle(name: str, precision: str, times: int) -> tuple[Floats, Floats]:
    """The float64 logits of a sequence, and plain PyTorch's in the precision."""
    weights, tokens = tacn_weights(*SIZES[name]), random_tokens(times, SIZES[name][0])
    plain = plain_torch.tacn(weights, tokens, PRECISIONS[precision])
    return plain, reference.tacn_offline(weights, tokens.astype(np.float64))


@pytest.mark.parametrize("backend", LOW)
@pytest.mark.parametrize("name", ["default", "odd", "eight-taps"])
def test_at_most_twice_the_error_of_plain_torch(backend: TritonBackend, name: str) -> None:
    got = run_alone(backend.load(tacn_weights(*SIZES[name])), random_tokens(12, SIZES[name][0]))
    plain, want = oracle(name, backend.precision, 12)
    assert_accurate(got, plain, want, EPSILON[backend.precision] / 4)
    # Its weights are really rounded.
    error = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
    assert error > EPSILON[backend.precision] / 100


@pytest.mark.parametrize("backend", LOW_VQ)
@pytest.mark.parametrize("sizes", [(100, 64, 4, 96, 64), (31, 7, 3, 5, 33)])
def test_lookups_err_at_most_twice_as_much(backend: TritonBackend, sizes: tuple[int, ...]) -> None:
    weights = vq_weights(*sizes)
    deep, latent = random_tokens(9, sizes[3]), random_tokens(9, sizes[2], sizes[1], seed=2)
    tokens, codes = backend.load(weights)(deep, latent)
    dtype = plain_torch.DTYPES[PRECISIONS[backend.precision]]
    want = reference.fuse(weights, deep.astype(np.float64), codes)
    plain = plain_torch.fuse(weights, deep, codes, dtype)
    assert_accurate(tokens, plain, want, EPSILON[backend.precision] / 4)

    # Which code is nearest: of what plain PyTorch finds, at most twice as far from the best.
    rounded = [torch.from_numpy(a).to(dtype) for a in (latent, weights.codebook)]
    found = (rounded[1].float() ** 2).sum(-1) - 2 * (rounded[0] @ rounded[1].T).float()
    distances = reference.squared_distances(latent.astype(np.float64), weights.codebook)

    def excess(chosen: Floats) -> Floats:
        return np.take_along_axis(distances, chosen[..., None], -1)[..., 0] - distances.min(-1)

    floor = EPSILON[backend.precision] * (latent**2).sum(-1).max()
    assert (
        excess(codes.astype(np.int64)).max() <= 2 * excess(found.argmin(-1).numpy()).max() + floor
    )


@pytest.mark.parametrize("backend", LOW_VQ)
def test_in_any_precision_a_code_finds_itself(backend: TritonBackend) -> None:
    weights = vq_weights(100, 32, 4)
    codes = np.random.default_rng(4).integers(0, 100, (9, 4))
    latent = weights.codebook.astype(np.float32)[codes]
    assert (backend.load(weights)(random_tokens(9, 96), latent)[1] == codes).all()


@pytest.mark.parametrize("width", [16, 64, 128])
def test_three_products_of_eleven_bits_are_as_good_as_float32(width: int) -> None:
    """The model of tensor cores alone: at most twice the error of float32 sums."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(s).astype(np.float32) for s in ((32, width), (width, width)))
    want = x.astype(np.float64) @ y.astype(np.float64)
    plain = np.einsum("ik,kj->ij", x, y)  # one after the other, as plain code would
    assert_accurate(tensor_cores.multiply(x, y), plain, want)
    once = tensor_cores.tf32(x).astype(np.float64) @ tensor_cores.tf32(y).astype(np.float64)
    assert np.abs(once - want).max() > 100 * np.abs(plain - want).max()  # tf32 alone is not
