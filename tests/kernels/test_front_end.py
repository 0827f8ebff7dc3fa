"""The front end of every backend, against the float64 reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeser import _kernels
from edgeser.errors import KernelError
from edgeser.reference import front_end
from edgeser.reference.random_weights import front_end_weights
from tests.kernels import plain_torch
from tests.kernels.tester import (
    FRONT_END_BACKENDS,
    LEVELS,
    PRECISIONS,
    Float32s,
    FrontEndBackend,
    assert_accurate,
    assert_same_bits,
    cpp_front_end,
)

every_backend = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(b, id=b.name, marks=[pytest.mark.slow] if b.slow else [])
        for b in FRONT_END_BACKENDS
    ],
)

# Bodies as lists of (kernel, in, out, stride, padding, relu), features, deep, and the views.
SIZES: dict[str, dict[str, Any]] = {
    "default": {
        "wide": [
            ((4, 8), 1, 32, (4, 4), (0, 2), True),
            ((3, 3), 32, 64, (2, 2), (1, 1), True),
            ((3, 3), 64, 88, (2, 2), (1, 1), True),
            ((3, 3), 88, 88, (1, 1), (1, 1), True),
        ],
        "narrow": [
            ((3, 9), 1, 24, (1, 2), (1, 4), True),
            ((3, 3), 24, 24, (2, 2), (1, 1), True),
            ((3, 3), 24, 48, (2, 2), (1, 1), True),
        ],
        "encoder": [
            ((4, 8), 1, 32, (4, 4), (0, 2), True),
            ((3, 3), 32, 48, (2, 2), (1, 1), True),
            ((3, 3), 48, 64, (2, 2), (1, 1), False),
        ],
        "features": 16 * 88 + 26 * 48,
        "deep": 96,
    },
    "odd": {
        "wide": [((3, 5), 1, 7, (2, 3), (1, 0), True), ((2, 1), 7, 33, (1, 2), (0, 3), False)],
        "narrow": [((1, 2), 1, 5, (1, 1), (2, 1), True)],
        "encoder": [((1, 1), 1, 3, (3, 2), (0, 0), False)],
        "features": 4 * 8 * 33 + 12 * 14 * 5,
        "deep": 19,
        "segment": 403,
        "spectrogram": (60, 41),
        "harmonics": (90, 43),
        "bands": 13,
    },
    "deep": {
        "wide": [
            ((4, 8), 1, 24, (4, 4), (0, 2), True),
            ((3, 3), 24, 48, (2, 2), (1, 1), True),
            ((3, 3), 48, 40, (1, 1), (1, 1), True),
        ],
        "narrow": [((3, 5), 1, 8, (1, 2), (1, 2), True)],
        "encoder": [
            ((4, 8), 1, 16, (4, 4), (0, 2), True),
            ((3, 3), 16, 64, (2, 2), (1, 1), False),
        ],
        "features": 8 * 40 + 80 * 8,
        "deep": 40,
        "segment": 576,
        "spectrogram": (64, 32),
        "harmonics": (128, 64),
        "bands": 20,
    },
    "one view": {
        "wide": [((1, 1), 1, 1, (1, 1), (0, 0), False)],
        "narrow": [],
        "encoder": [((9, 2), 1, 130, (1, 1), (0, 0), False)],
        "features": 9 * 2,
        "deep": 1,
        "segment": 20,
        "spectrogram": (4, 2),
    },
}


def sounds(segment: int) -> tuple[Float32s, Float32s]:
    """Noise from loud to inaudible, a tone, silence and a click, and levels before them."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((3, segment)) * np.array([[0.3], [1e-2], [1e-5]])
    tone = 0.5 * np.sin(np.arange(segment) * 0.05)
    click = np.zeros(segment)
    click[segment // 2] = 1
    waves = np.stack([*noise, tone, np.zeros(segment), click, noise[0]])
    levels = np.array([-1000, -30, -60, -5, -1000, -40, -140])
    return waves.astype(np.float32), levels.astype(np.float32)


@every_backend
@pytest.mark.parametrize("name", SIZES)
def test_equals_the_oracle(backend: FrontEndBackend, name: str) -> None:
    if backend.slow and name == "default":
        pytest.skip("takes minutes, interpreted; tests/backends/cuda has the shipped model once")
    weights = front_end_weights(**SIZES[name])
    segments, levels = sounds(weights.segments["segment"])
    got = backend.load(weights)(segments, levels)
    plain = front_end.read(weights.astype(np.float32), segments, levels)
    oracle = front_end.read(weights, segments.astype(np.float64), levels.astype(np.float64))
    for which in range(3):
        assert_accurate(got[which], plain[which], oracle[which])


@pytest.mark.slow  # 24 comparisons with a whole network in PyTorch
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("name", SIZES)
def test_at_most_twice_the_error_of_plain_torch(name: str, precision: str, level: str) -> None:
    weights = front_end_weights(**SIZES[name])
    segments, levels = sounds(weights.segments["segment"])
    got = cpp_front_end(weights, level, precision)(segments, levels)
    oracle = front_end.read(weights, segments.astype(np.float64), levels.astype(np.float64))
    plain = plain_torch.front_end(weights, segments, levels.astype(np.float64), precision)
    epsilon = {"bfloat16": 2.0**-8, "int8": 1 / 127}[precision] / 4
    for ours, theirs, true in zip(got, plain, oracle, strict=False):
        assert_accurate(ours, theirs, true, epsilon if ours.size < 1000 else 0.0)
    assert_accurate(got[2], oracle[2], oracle[2])  # the views are float32 in all of them


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_is_really_lower(precision: str) -> None:
    weights = front_end_weights(**SIZES["default"])
    segments, levels = sounds(4224)
    want = cpp_front_end(weights)(segments, levels)
    got = cpp_front_end(weights, None, precision)(segments, levels)
    step = {"bfloat16": 2.0**-8, "int8": 1 / 127}[precision]
    for a, b in zip(got[:2], want, strict=False):
        error = np.sqrt(np.mean((a - b) ** 2) / np.mean(b**2))
        assert 0.01 * step < error < 10 * step


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", SIZES)
def test_every_level_and_batch_returns_the_same_bits(name: str, precision: str) -> None:
    weights = front_end_weights(**SIZES[name])
    segments, levels = sounds(weights.segments["segment"])
    whole = cpp_front_end(weights, None, precision)(segments, levels)
    for level in LEVELS:
        model = cpp_front_end(weights, level, precision)
        assert (model.simd, model.precision) == (level, precision)
        for row in range(len(segments)):
            alone = model(segments[row : row + 1], levels[row : row + 1])
            for one, all_rows in zip(alone, whole, strict=True):
                assert_same_bits(one[0], all_rows[row])


def test_no_rows_are_no_work() -> None:
    weights = front_end_weights(**SIZES["odd"])
    model = cpp_front_end(weights)
    deep, latent, levels = model(np.zeros((0, 403), np.float32), np.zeros(0, np.float32))
    assert deep.shape == (0, 19)
    assert latent.shape == (0, model.positions, 3)
    assert levels.shape == (0,)


def arguments() -> dict[str, Any]:
    """Those of a small front end."""
    w = front_end_weights(**SIZES["one view"]).astype(np.float32)
    one = {"weight": w.wide[0].weight, "bias": w.wide[0].bias}
    layer = (one["weight"], one["bias"], (1, 1), (0, 0), False)
    encoder = (w.encoder[0].weight, w.encoder[0].bias, (1, 1), (0, 0), False)
    return {
        "wide": [layer],
        "narrow": [],
        "encoder": [encoder],
        "head_weight": w.head_weight,
        "head_bias": w.head_bias,
        "segments": dict(w.segments),
        "spectrogram": dict(w.spectrogram),
        "harmonics": dict(w.harmonics),
        "level": dict(w.level),
    }


def layer(**changes: Any) -> list[tuple[Any, ...]]:
    one = {
        "weight": np.ones((1, 1, 1, 1), np.float32),
        "bias": np.zeros(1, np.float32),
        "stride": (1, 1),
        "padding": (0, 0),
        "relu": False,
    }
    return [tuple({**one, **changes}.values())]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no bodies": ({"wide": []}, "wide: there must be at least one"),
    "a body of nothing": ({"encoder": [()]}, r"encoder\[0\]: expected \(weight, bias"),
    "a flat kernel": (
        {"wide": layer(weight=np.ones(1, np.float32))},
        r"wide\[0\].weight: expected .* got float32 \(1,\)",
    ),
    "another bias": (
        {"wide": layer(bias=np.zeros(2, np.float32))},
        r"wide\[0\].bias: expected .* got float32 \(2,\)",
    ),
    "a stride of zero": ({"wide": layer(stride=(1, 0))}, "stride must be 1..64, not 0"),
    "a negative padding": ({"wide": layer(padding=(-1, 0))}, r"wide\[0\]: expected \(weight"),
    "channels from nowhere": (
        {"wide": layer(weight=np.ones((1, 1, 2, 1), np.float32))},
        "takes 2 channels, and 1 come in",
    ),
    "a kernel larger than the map": (
        {"wide": layer(weight=np.ones((10, 1, 1, 1), np.float32))},
        "the kernel is larger than the map",
    ),
    "another head": ({"head_weight": np.zeros((3, 1), np.float32)}, "each of the 18 features"),
    "NaN": (
        {"wide": layer(bias=np.array([np.nan], np.float32))},
        "NaN or infinite",
    ),
    "no segment": ({"segments": {"hop": 2, "sample_rate": 1}}, r'segments\["segment"\]'),
    "half a window": (
        {"spectrogram": {"window": 6, "hop": 2}},
        "window must be a multiple of 4",
    ),
    "a window of a year": (
        {"spectrogram": {"window": 1 << 19, "hop": 2}},
        "window must be 4..20",
    ),
    "no level": ({"level": {}}, r'level\["rise"\]: expected a number'),
    "a map that would not fit": (
        {
            "segments": {"segment": 8192, "hop": 2, "sample_rate": 1},
            "spectrogram": {"window": 64, "hop": 1},
        },
        "a map of .* floats comes in, and at most",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_weights_are_named(name: str) -> None:
    changes, says = WRONG[name]
    given = {**arguments(), **changes}
    if name == "a map that would not fit":
        given["head_weight"] = np.zeros((8129 * 32, 1), np.float32)
    with pytest.raises(KernelError, match=says):
        _kernels.FrontEnd(**given)


def test_bad_segments_are_named() -> None:
    model = _kernels.FrontEnd(**arguments())
    one, level = np.zeros((1, 20), np.float32), np.zeros(1, np.float32)
    with pytest.raises(KernelError, match=r"segments: expected .* \(B, 20\)"):
        model(one[:, 1:].copy(), level)
    with pytest.raises(KernelError, match=r"levels: expected .* \(1,\)"):
        model(one, np.zeros(2, np.float32))
    with pytest.raises(KernelError, match="segments: value 3"):
        model(np.where(np.arange(20) == 3, np.inf, one).astype(np.float32), level)
