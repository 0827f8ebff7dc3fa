"""Packed weights: every value is where the kernels read it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgeser.backends.cuda.shapes import TacnShape, VQShape
from edgeser.backends.cuda.weights import PackedWeights, pack_tacn, pack_vq
from edgeser.errors import BackendError
from edgeser.reference.random_weights import tacn_weights, vq_weights
from tests.kernels.tester import Floats, cpp_tacn, tacn_tensors, vq_tensors


def section(packed: PackedWeights, name: str, dtype: npt.DTypeLike, *shape: int) -> Floats:
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    data = packed.data[packed.offsets[name] :][:count]
    return np.asarray(data.view(dtype).reshape(shape))


@pytest.mark.parametrize(
    ("width", "heads", "taps"), [(64, 8, 3), (12, 3, 2), (1, 1, 8), (33, 11, 4)]
)
def test_a_tacn_layer_by_its_packed_weights(width: int, heads: int, taps: int) -> None:
    weights = tacn_weights(width, heads, taps, (1, 3), outputs=5)
    shape = TacnShape(width, heads, taps, (1, 3), 5)
    packed = pack_tacn(shape, tacn_tensors(weights))
    c, h = shape.columns, shape.inner
    count = 2 * shape.layer_values + c * shape.padded_outputs
    values = section(packed, "matrices", np.float32, count)
    layer = values[shape.layer_values : 2 * shape.layer_values]
    x = np.zeros(c)
    x[:width] = np.random.default_rng(0).standard_normal(width)

    query = (x @ layer[: c * h].reshape(c, h)).reshape(shape.padded_depth, shape.padded_heads)
    natural = (x[:width] @ weights.query[1]).reshape(heads, width // heads)
    np.testing.assert_allclose(query[: width // heads, :heads].T, natural, atol=1e-6)
    assert not query[width // heads :].any()
    assert not query[:, heads:].any()

    # The last tap, with the output projection before it, of a vector that lies heads fastest.
    tap = layer[-h * c :].reshape(h, c)
    mixed = np.random.default_rng(1).standard_normal((heads, width // heads))
    inner = np.zeros((shape.padded_depth, shape.padded_heads))
    inner[: width // heads, :heads] = mixed.T
    got = inner.ravel() @ tap
    want = mixed.ravel() @ weights.output[1] @ weights.taps[1, -1]
    np.testing.assert_allclose(got[:width], want, atol=1e-5)
    assert not got[width:].any()

    head = values[2 * shape.layer_values :].reshape(c, shape.padded_outputs)
    np.testing.assert_array_equal(head[:width, :5], weights.head_weight.astype(np.float32))
    vectors = section(packed, "vectors", np.float32, 2 * c + shape.padded_outputs)
    np.testing.assert_array_equal(vectors[c : c + width], weights.bias[1].astype(np.float32))
    np.testing.assert_array_equal(vectors[2 * c :][:5], weights.head_bias.astype(np.float32))
    layers = section(packed, "layers", np.int32, 2, 2)
    assert layers.tolist() == [[1, 0], [3, taps - 1]]


@pytest.mark.parametrize(("width", "heads", "taps"), [(64, 8, 3), (1, 1, 2), (33, 11, 8)])
def test_states_are_as_long_as_the_cpus(width: int, heads: int, taps: int) -> None:
    shape = TacnShape(width, heads, taps, (1, 3), 5)
    assert (
        shape.state_bytes
        == cpp_tacn(tacn_weights(width, heads, taps, (1, 3)), projections=True).state_bytes
    )
    assert 0 <= shape.block_bytes - shape.state_bytes < 64
    assert shape.block_bytes % 64 == 0


def test_padding_never_is_the_nearest_code() -> None:
    weights = vq_weights(70, 5, 3, 7, 9)
    shape = VQShape(70, 5, 3, 7, 9)
    packed = pack_vq(shape, vq_tensors(weights))
    norms = section(packed, "vectors", np.float32, shape.padded_codes)
    np.testing.assert_allclose(norms[:70], (weights.codebook**2).sum(1), rtol=1e-6)
    assert np.isposinf(norms[70:]).all()
    assert norms.size == 96
    codes = section(packed, "matrices", np.float32, shape.padded_codes, shape.code_columns)
    np.testing.assert_array_equal(codes[:70, :5], weights.codebook.astype(np.float32))
    assert not codes[70:].any()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_rounds_to_nearest_even(precision: str) -> None:
    torch = pytest.importorskip("torch")
    weights = vq_weights(64, 16, 1, 16, 16)
    shape = VQShape(64, 16, 1, 16, 16)
    packed = pack_vq(shape, vq_tensors(weights), precision)
    bits = section(packed, "matrices", np.int16, 64, 16)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    want = torch.from_numpy(weights.codebook.astype(np.float32)).to(dtype)
    assert (torch.from_numpy(bits.copy()) == want.view(torch.int16)).all()
    norms = section(packed, "vectors", np.float32, 64)
    np.testing.assert_allclose(norms, (want.double() ** 2).sum(1), rtol=1e-6)


def test_sections_are_aligned() -> None:
    weights = tacn_weights(12, 3, 2, (1, 2))
    packed = pack_tacn(TacnShape(12, 3, 2, (1, 2), 5), tacn_tensors(weights), "fp16")
    assert list(packed.offsets) == ["matrices", "vectors", "layers"]
    assert all(offset % 256 == 0 for offset in packed.offsets.values())


def test_says_what_does_not_fit() -> None:
    weights = vq_weights(64, 16, 1, 16, 16)
    shape, tensors = VQShape(64, 16, 1, 16, 16), vq_tensors(weights)
    with pytest.raises(BackendError, match="no precision 'int8'"):
        pack_vq(shape, tensors, "int8")
    tensors["vq.bias"] = tensors["vq.bias"] * 1e6  # stays float32 in any precision
    pack_vq(shape, tensors, "fp16")
    tensors["vq.codebook"] = tensors["vq.codebook"] * 1e6
    with pytest.raises(BackendError, match="too large for fp16"):
        pack_vq(shape, tensors, "fp16")
