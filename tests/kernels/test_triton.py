"""The Triton kernels: on a GPU where there is one, else interpreted on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from edgeser.gpu.shapes import TacnShape, VQShape
from edgeser.kernels import reference
from edgeser.kernels.random_weights import tacn_weights, vq_weights
from edgeser.kernels.reference import TacnWeights, VQFusionWeights
from edgeser.kernels.triton import host
from edgeser.kernels.triton.launch import CONFIGURATIONS
from tests.kernels.tester import (
    Floats,
    assert_accurate,
    cpp_tacn,
    random_tokens,
    tacn_tensors,
    vq_tensors,
)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
EPSILON = {"fp16": 2.0**-11, "bf16": 2.0**-8}
# width, heads, taps, dilations, outputs
SIZES = {
    "default": (64, 8, 3, (1, 2, 4), 5),
    "odd": (24, 3, 3, (1, 2), 2),
    "two taps": (15, 5, 2, (3, 1), 7),
}
# codes, code width, positions, deep width, token width
VQ_SIZES = {"default": (512, 64, 4, 96, 64), "odd": (511, 63, 3, 65, 24), "one": (1, 1, 1, 1, 1)}


def tacn(weights: TacnWeights, precision: str = "fp32") -> host.TacnStep:
    outputs = len(weights.head_bias)
    shape = TacnShape(
        len(weights.bias[0]), weights.heads, weights.taps.shape[1], weights.dilations, outputs
    )
    return host.TacnStep(shape, tacn_tensors(weights), precision, DEVICE)


def run(
    model: host.TacnStep, tokens: Floats, arena: torch.Tensor, rows: list[int], which: int = 0
) -> Floats:
    """Logits (T, B, L + 1) of tokens (T, B, C)."""
    chosen = CONFIGURATIONS["tacn_step"][which]
    index = torch.tensor(rows, dtype=torch.int32, device=DEVICE)
    steps = [
        model(torch.from_numpy(t).to(DEVICE), arena, index, chosen=chosen).cpu().numpy()
        for t in tokens
    ]
    return np.stack(steps)


@pytest.mark.parametrize("which", [0, 1], ids=["a row a program", "many"])
@pytest.mark.parametrize("name", SIZES)
def test_the_step_equals_the_oracle(name: str, which: int) -> None:
    width, heads, taps, dilations, outputs = SIZES[name]
    weights = tacn_weights(width, heads, taps, dilations, outputs)
    model = tacn(weights)
    tokens = random_tokens(20, 3, width)
    got = run(model, tokens, model.arena(3), [2, 0, 1], which)
    for row in range(3):
        plain = reference.tacn_offline(weights.astype(np.float32), tokens[:, row])
        oracle = reference.tacn_offline(weights, tokens[:, row].astype(np.float64))
        assert_accurate(got[:, row], plain, oracle)


def test_states_are_those_of_the_cpu() -> None:
    """A stream begins on the CPU, goes on here, and ends on the CPU."""
    weights = tacn_weights(24, 3, 3, (1, 2, 4))
    ours, theirs = tacn(weights), cpp_tacn(weights)
    tokens = random_tokens(30, 24)
    state = np.zeros(theirs.state_bytes, np.uint8)
    whole = np.concatenate([theirs.step(t[None], [state]) for t in tokens])
    state = np.zeros(theirs.state_bytes, np.uint8)
    for token in tokens[:11]:
        theirs.step(token[None], [state])
    arena = ours.arena(2)
    arena[1, : state.size] = torch.from_numpy(state)
    middle = run(ours, tokens[11:20, None], arena, [1])[:, 0]
    state[:] = arena[1, : state.size].cpu().numpy()
    end = np.concatenate([theirs.step(t[None], [state]) for t in tokens[20:]])
    np.testing.assert_allclose(np.concatenate([middle, end]), whole[11:], atol=1e-5)


def test_streams_of_other_ages_are_independent_and_rows_sit_out() -> None:
    weights = tacn_weights(16, 4, 3, (1, 2))
    model = tacn(weights)
    tokens = random_tokens(12, 3, 16)
    arena = model.arena(3)
    alone = run(model, tokens[:, :1], arena, [0])[:, 0]
    arena = model.arena(3)
    run(model, tokens[:5, 1:2], arena, [1])  # an older stream
    before = arena[2].clone()
    got = run(model, tokens, arena, [0, 1, -1], 1)
    np.testing.assert_allclose(got[:, 0], alone, atol=1e-6)
    assert np.isnan(got[:, 2]).all()
    assert torch.equal(arena[2], before)


@pytest.mark.parametrize("precision", EPSILON)
def test_the_step_in_lower_precision(precision: str) -> None:
    weights = tacn_weights(24, 3, 3, (1, 2))
    model = tacn(weights, precision)
    tokens = random_tokens(20, 1, 24)
    got = run(model, tokens, model.arena(1), [0])[:, 0]
    oracle = reference.tacn_offline(weights, tokens[:, 0].astype(np.float64))
    error = np.sqrt(np.mean((got - oracle) ** 2) / np.mean(oracle**2))
    assert EPSILON[precision] / 100 < error < 4 * EPSILON[precision]


def vq(weights: VQFusionWeights) -> host.VQFusion:
    (codes, width), deep = weights.codebook.shape, len(weights.deep_weight)
    positions = len(weights.latent_weight) // width
    shape = VQShape(codes, width, positions, deep, len(weights.bias))
    return host.VQFusion(shape, vq_tensors(weights), "fp32", DEVICE)


@pytest.mark.parametrize("which", [0, 1], ids=["a row a program", "many"])
@pytest.mark.parametrize("name", VQ_SIZES)
def test_the_lookup_equals_the_oracle(name: str, which: int) -> None:
    weights = vq_weights(*VQ_SIZES[name])
    _, width, positions, deep_width, _ = VQ_SIZES[name]
    deep, latent = random_tokens(5, deep_width), random_tokens(5, positions, width, seed=2)
    model = vq(weights)
    chosen = CONFIGURATIONS["vq_fusion"][which]
    inputs = (torch.from_numpy(a).to(DEVICE) for a in (deep, latent))
    tokens, codes = (part.cpu().numpy() for part in model(*inputs, chosen=chosen))
    distances = reference.squared_distances(latent.astype(np.float64), weights.codebook)
    found = np.take_along_axis(distances, codes[..., None].astype(np.int64), -1)[..., 0]
    scale = (latent**2).sum(-1) + (weights.codebook**2).sum(-1).max()
    assert (found - distances.min(-1) <= 1e-6 * scale).all()
    plain = reference.fuse(weights.astype(np.float32), deep, codes)
    assert_accurate(tokens, plain, reference.fuse(weights, deep.astype(np.float64), codes))


def test_exact_ties_go_to_the_lowest_index() -> None:
    """Of whole numbers, so that equal distances are equal in any order of summing."""
    weights = vq_weights(100, 5, 4)
    weights.codebook[:] = np.round(3 * weights.codebook)[np.arange(100) % 13]
    latent = np.round(3 * random_tokens(9, 4, 5))
    deep = random_tokens(9, 96)
    _, codes = vq(weights)(*(torch.from_numpy(a).to(DEVICE) for a in (deep, latent)))
    want = reference.nearest_codes(latent.astype(np.float64), weights.codebook)
    assert (codes.cpu().numpy() == want).all()
    assert (want < 13).all()
