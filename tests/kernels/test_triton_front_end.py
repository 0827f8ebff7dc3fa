"""Promises of the front end's Triton kernels alone; the tester covers those of all backends.

On a GPU where there is one, else interpreted, with products as on tensor cores.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("triton")

from edgeser.backends.cuda.front_end_shape import (
    BLOCK_COLUMNS,
    BLOCK_DEPTH,
    front_end_shape,
    launches,
)
from edgeser.backends.cuda.front_end_weights import pack_front_end
from edgeser.reference import front_end
from edgeser.reference.random_weights import front_end_weights
from tests.kernels import plain_torch, tensor_cores
from tests.kernels.test_front_end import SIZES, sounds
from tests.kernels.tester import assert_accurate, assert_same_bits
from tests.kernels.triton_backend import TritonBackend, backends, front_end_model

PRECISIONS = {"fp16": "float16", "bf16": "bfloat16"}
EPSILON = {"fp16": 2.0**-11, "bf16": 2.0**-8}
every_configuration = pytest.mark.parametrize(
    "backend", backends("convolution"), ids=lambda b: b.name
)


@pytest.mark.parametrize(
    "backend",
    [one for precision in PRECISIONS for one in backends("convolution", precision)[:1]],
    ids=lambda b: b.name,
)
@pytest.mark.parametrize("name", ["odd", "deep"])
def test_at_most_twice_the_error_of_plain_torch(backend: TritonBackend, name: str) -> None:
    weights = front_end_weights(**SIZES[name])
    segments, levels = sounds(weights.segments["segment"])
    got = backend.load(weights)(segments, levels)
    oracle = front_end.read(weights, segments.astype(np.float64), levels.astype(np.float64))
    precision = PRECISIONS[backend.precision]
    plain = plain_torch.front_end(weights, segments, levels.astype(np.float64), precision)
    epsilon = EPSILON[backend.precision]
    for ours, theirs, true in zip(got, plain, oracle, strict=False):
        assert_accurate(ours, theirs, true, epsilon / 4 if ours.size < 1000 else 0.0)
        error = np.sqrt(np.mean((ours - true) ** 2) / np.mean(true**2))
        assert error > epsilon / 100  # its weights are really rounded
    assert_accurate(got[2], oracle[2], oracle[2])  # the views are float32 in all of them


@every_configuration
def test_levels_are_carried_from_hop_to_hop(backend: TritonBackend) -> None:
    """Each stream by itself, from a new one: loud, then silent, then soft."""
    weights = front_end_weights(**SIZES["one view"])
    model, rng = backend.load(weights), np.random.default_rng(1)
    levels = np.array([-1000, -1000, -3], np.float32)
    wanted = levels.astype(np.float64)
    for loudness in (0.5, 0.0, 1e-3, 1e-3):
        waves = loudness * rng.standard_normal((3, 20)) * [[1.0], [0.1], [0.01]]
        segments = waves.astype(np.float32)
        levels = model(segments, levels)[2]
        wanted = front_end.read(weights, segments.astype(np.float64), wanted)[2]
        np.testing.assert_allclose(levels, wanted, atol=1e-4)


@every_configuration
def test_a_stream_alone_is_what_it_is_in_a_batch(backend: TritonBackend) -> None:
    """Bit-identical in one configuration: no program mixes streams."""
    weights = front_end_weights(**SIZES["one view"])
    model = backend.load(weights)
    segments, levels = sounds(20)
    together = model(segments, levels)
    for row in (0, 6):
        alone = model(segments[row : row + 1], levels[row : row + 1])
        for one, all_rows in zip(alone, together, strict=True):
            assert_same_bits(one[0], all_rows[row])


@pytest.mark.parametrize("depth", [1008, 3456])
def test_long_sums_are_as_good_as_those_of_float32(depth: int) -> None:
    """As many inputs as the shipped layers have, a block at a time, blocks added in float32."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(s).astype(np.float32) for s in ((16, depth), (depth, 8)))
    got = np.zeros((16, 8), np.float32)
    for k in range(0, depth, BLOCK_DEPTH):
        got += tensor_cores.multiply(x[:, k : k + BLOCK_DEPTH], y[k : k + BLOCK_DEPTH])
    plain = np.einsum("ik,kj->ij", x, y)
    assert_accurate(got, plain, x.astype(np.float64) @ y.astype(np.float64))


@pytest.mark.parametrize("name", SIZES)
def test_every_launch_stays_within_its_arrays(name: str) -> None:
    model = front_end_model(front_end_weights(**SIZES[name]))
    shape = front_end_shape(model)
    packed = pack_front_end(model, shape)
    last = shape.encoder[-1].target
    sizes = {"segment": shape.segment, "level": 1, "level_out": 1, "latent": last.values}
    sizes |= {"deep": shape.head.target.values, **shape.scratch}
    ends = dict(zip(packed.offsets, [*list(packed.offsets.values())[1:], packed.data.size]))  # noqa: B905
    for launch in launches(shape):
        n = launch.numbers
        if launch.kernel == "convolution":
            source, target = (launch.arrays[name] for name in ("maps", "results"))
            assert n["height"] * n["width"] * n["channels"] == n["map_values"] <= sizes[source[0]]
            assert target[1] + n["positions"] * n["outputs"] <= max(
                sizes[target[0]], n["result_values"]
            )
            matrices = launch.arrays["matrices"][0]
            room = ends[matrices] - packed.offsets[matrices]
            assert 4 * n["depth"] * launch.column_blocks * BLOCK_COLUMNS <= room
        elif launch.kernel == "spectrum":
            last_sample = n["start"] + (n["frames"] - 1) * n["hop"] + n["window"]
            assert last_sample <= shape.segment < last_sample + n["hop"]
            assert n["frames"] * n["bands"] == sizes[launch.arrays["power"][0]]
