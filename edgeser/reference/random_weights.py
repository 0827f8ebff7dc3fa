"""Random weights for every kernel, for tests and benchmarks: float32 values, stored in float64.

They are scaled so that activations stay near one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeser.reference.front_end import FrontEndWeights, Layer
from edgeser.reference.kernels import Floats, TacnWeights, VQFusionWeights

Shape = tuple[tuple[int, int], int, int, tuple[int, int], tuple[int, int], bool]
"""Of a convolution: kernel, inputs, outputs, stride, padding, whether a ReLU follows."""


class _Normal:
    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int, scale: float) -> Floats:
        return (scale * self._rng.standard_normal(shape)).astype(np.float32).astype(np.float64)


def tacn_weights(
    width: int = 16,
    heads: int = 4,
    taps: int = 3,
    dilations: Sequence[int] = (1, 2, 4),
    outputs: int = 5,
    seed: int = 0,
) -> TacnWeights:
    """The TACN's."""
    normal = _Normal(seed)
    n, c = len(dilations), width

    return TacnWeights(
        query=normal(n, c, c, scale=c**-0.5),
        key=normal(n, c, c, scale=c**-0.5),
        value=normal(n, c, c, scale=c**-0.5),
        output=normal(n, c, c, scale=c**-0.5),
        taps=normal(n, taps, c, c, scale=(taps * c) ** -0.5),
        bias=normal(n, c, scale=0.3),
        head_weight=normal(c, outputs, scale=c**-0.5),
        head_bias=normal(outputs, scale=1),
        heads=heads,
        dilations=tuple(dilations),
    )


def vq_weights(
    codes: int = 511,
    code_width: int = 64,
    positions: int = 16,
    deep_width: int = 96,
    token_width: int = 64,
    seed: int = 0,
) -> VQFusionWeights:
    """The lookup's and the fusion's."""
    normal = _Normal(seed)
    flat = positions * code_width
    return VQFusionWeights(
        codebook=normal(codes, code_width, scale=1),
        deep_weight=normal(deep_width, token_width, scale=deep_width**-0.5),
        latent_weight=normal(flat, token_width, scale=flat**-0.5),
        bias=normal(token_width, scale=1),
    )


def front_end_weights(
    wide: Sequence[Shape],
    narrow: Sequence[Shape],
    encoder: Sequence[Shape],
    features: int,
    deep: int,
    segment: int = 4224,
    spectrogram: tuple[int, int] = (256, 128),
    harmonics: tuple[int, int] = (1024, 512),
    bands: int = 104,
    seed: int = 0,
) -> FrontEndWeights:
    """The front end's."""
    normal = _Normal(seed)

    def body(shapes: Sequence[Shape]) -> tuple[Layer, ...]:
        return tuple(
            Layer(
                normal(*kernel, inputs, outputs, scale=(2 / (inputs * np.prod(kernel))) ** 0.5),
                normal(outputs, scale=0.1),
                stride,
                padding,
                relu,
            )
            for kernel, inputs, outputs, stride, padding, relu in shapes
        )

    return FrontEndWeights(
        body(wide),
        body(narrow),
        body(encoder),
        normal(features, deep, scale=(2 / features) ** 0.5),
        normal(deep, scale=0.1),
        segments={"segment": segment, "hop": segment // 2, "sample_rate": 16_000},
        spectrogram=dict(zip(("window", "hop"), spectrogram, strict=True)),
        harmonics={
            **dict(zip(("window", "hop"), harmonics, strict=True)),
            "bands": bands,
            "lowest": 70.0,
            "bands_an_octave": 24,
        },
        level={
            "rise": 0.5,
            "fall": 0.005,
            "fall_limit": 30.0,
            "headroom": 10.0,
            "quietest": -140.0,
            "dynamic_range": 50.0,
            "unset": -1000.0,
            "first_bin": 2,
        },
    )
