"""One tester for all backends of the kernels.

A backend is anything with the methods of :class:`TacnBackend` or :class:`VQFusionBackend`. Each is
held against the float64 numpy reference by the rule of :func:`assert_accurate`: at most twice the
error that plain numpy makes in float32, or plain PyTorch in a lower precision. To test another
backend, add it to the lists at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeser import _kernels
from edgeser.kernels import front_end, reference
from edgeser.kernels.front_end import FrontEndWeights, Layer
from edgeser.kernels.reference import TacnPast, TacnWeights, VQFusionWeights

Floats = npt.NDArray[np.floating[Any]]
Float32s = npt.NDArray[np.float32]


class TacnModel(Protocol):
    """A loaded model: immutable, with states that ``copy.deepcopy`` can copy."""

    def fresh(self) -> Any: ...

    def step(
        self,
        tokens: Float32s,
        states: Sequence[Any],
        active: npt.NDArray[np.bool_] | None = None,
    ) -> Float32s: ...


class TacnBackend(Protocol):
    @property
    def name(self) -> str: ...

    def load(self, weights: TacnWeights) -> TacnModel: ...


class VQFusionModel(Protocol):
    def __call__(
        self, deep: Float32s, latent: Float32s
    ) -> tuple[Float32s, npt.NDArray[np.int32]]: ...


class VQFusionBackend(Protocol):
    @property
    def name(self) -> str: ...

    def load(self, weights: VQFusionWeights) -> VQFusionModel: ...


class FrontEndModel(Protocol):
    def __call__(
        self, segments: Float32s, levels: Float32s
    ) -> tuple[Float32s, Float32s, Float32s]: ...


class FrontEndBackend(Protocol):
    @property
    def name(self) -> str: ...

    def load(self, weights: FrontEndWeights) -> FrontEndModel: ...


class CppTacn:
    """The C++ kernel at one SIMD level."""

    def __init__(self, model: _kernels.TACN) -> None:
        self.model = model

    def fresh(self) -> npt.NDArray[np.uint8]:
        return np.zeros(self.model.state_bytes, np.uint8)

    def step(
        self,
        tokens: Float32s,
        states: Sequence[npt.NDArray[np.uint8]],
        active: npt.NDArray[np.bool_] | None = None,
    ) -> Float32s:
        return self.model.step(tokens, states, active)


@dataclass(frozen=True)
class CppBackend:
    simd: str

    @property
    def name(self) -> str:
        return f"cpp-{self.simd}"


class CppTacnBackend(CppBackend):
    def load(self, weights: TacnWeights) -> CppTacn:
        return CppTacn(cpp_tacn(weights, self.simd))


class CppVQFusionBackend(CppBackend):
    def load(self, weights: VQFusionWeights) -> _kernels.VQFusion:
        return cpp_vq_fusion(weights, self.simd)


class CppFrontEndBackend(CppBackend):
    def load(self, weights: FrontEndWeights) -> _kernels.FrontEnd:
        return cpp_front_end(weights, self.simd)


def cpp_front_end(
    weights: FrontEndWeights, simd: str | None = None, precision: str = "float32"
) -> _kernels.FrontEnd:
    w = weights.astype(np.float32)

    def body(layers: tuple[Layer, ...]) -> list[tuple[object, ...]]:
        return [(la.weight, la.bias, la.stride, la.padding, la.relu) for la in layers]

    return _kernels.FrontEnd(
        *(body(w.wide), body(w.narrow), body(w.encoder), w.head_weight, w.head_bias),
        segments=dict(w.segments),
        spectrogram=dict(w.spectrogram),
        harmonics=dict(w.harmonics),
        level=dict(w.level),
        precision=precision,
        simd=simd,
    )


def cpp_tacn(
    weights: TacnWeights, simd: str | None = None, precision: str = "float32"
) -> _kernels.TACN:
    w = weights.astype(np.float32)
    return _kernels.TACN(
        *(w.query, w.key, w.value, w.output, w.taps, w.bias, w.head_weight, w.head_bias),
        heads=w.heads,
        dilations=w.dilations,
        precision=precision,
        simd=simd,
    )


def cpp_vq_fusion(
    weights: VQFusionWeights, simd: str | None = None, precision: str = "float32"
) -> _kernels.VQFusion:
    w = weights.astype(np.float32)
    return _kernels.VQFusion(
        *(w.codebook, w.deep_weight, w.latent_weight, w.bias), precision=precision, simd=simd
    )


class NumpyTacn:
    """The numpy reference in float32, one row at a time."""

    def __init__(self, weights: TacnWeights) -> None:
        self.weights = weights.astype(np.float32)

    def fresh(self) -> TacnPast:
        return TacnPast(self.weights)

    def step(
        self,
        tokens: Float32s,
        states: Sequence[TacnPast],
        active: npt.NDArray[np.bool_] | None = None,
    ) -> Float32s:
        rows = np.full((len(tokens), len(self.weights.head_bias)), np.nan, np.float32)
        for row, (token, past) in enumerate(zip(tokens, states, strict=True)):
            if active is None or active[row]:
                rows[row] = reference.tacn_step(self.weights, token, past)
        return rows


class NumpyTacnBackend:
    name = "numpy"

    def load(self, weights: TacnWeights) -> NumpyTacn:
        return NumpyTacn(weights)


class NumpyVQFusionBackend:
    name = "numpy"

    def load(self, weights: VQFusionWeights) -> VQFusionModel:
        w = weights.astype(np.float32)

        def run(deep: Float32s, latent: Float32s) -> tuple[Float32s, npt.NDArray[np.int32]]:
            codes = reference.nearest_codes(latent, w.codebook).astype(np.int32)
            return reference.fuse(w, deep, codes).astype(np.float32), codes

        return run


class NumpyFrontEndBackend:
    name = "numpy"

    def load(self, weights: FrontEndWeights) -> FrontEndModel:
        w = weights.astype(np.float32)

        def run(segments: Float32s, levels: Float32s) -> tuple[Float32s, Float32s, Float32s]:
            deep, latent, new = front_end.read(w, segments, levels)
            return deep.astype(np.float32), latent.astype(np.float32), new.astype(np.float32)

        return run


def tacn_weights(
    width: int = 16,
    heads: int = 4,
    taps: int = 3,
    dilations: Sequence[int] = (1, 2, 4),
    outputs: int = 5,
    seed: int = 0,
) -> TacnWeights:
    """Random weights, float32 values in float64, that keep activations near one."""
    rng = np.random.default_rng(seed)
    n, c = len(dilations), width

    def normal(*shape: int, scale: float) -> Floats:
        return (scale * rng.standard_normal(shape)).astype(np.float32).astype(np.float64)

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
    """Random weights, float32 values in float64."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Floats:
        return rng.standard_normal(shape).astype(np.float32).astype(np.float64)

    flat = positions * code_width
    return (
        VQFusionWeights(
            codebook=normal(codes, code_width),
            deep_weight=normal(deep_width, token_width) / np.float32(np.sqrt(deep_width)),
            latent_weight=normal(flat, token_width) / np.float32(np.sqrt(flat)),
            bias=normal(token_width),
        )
        .astype(np.float32)
        .astype(np.float64)
    )


def tacn_tensors(weights: TacnWeights) -> dict[str, Float32s]:
    """The tensors of a bundle with these weights."""
    w = weights.astype(np.float32)
    names = ("query", "key", "value", "output", "taps", "bias")
    return {
        **{f"tacn.{name}": getattr(w, name) for name in names},
        "head.weight": w.head_weight,
        "head.bias": w.head_bias,
    }


def vq_tensors(weights: VQFusionWeights) -> dict[str, Float32s]:
    """The tensors of a bundle with these weights."""
    w = weights.astype(np.float32)
    names = ("codebook", "deep_weight", "latent_weight", "bias")
    return {f"vq.{name}": getattr(w, name) for name in names}


# kernel, in, out, stride, padding, relu
Shape = tuple[tuple[int, int], int, int, tuple[int, int], tuple[int, int], bool]


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
    """Random weights, float32 values in float64, that keep activations near one."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float) -> Floats:
        return (scale * rng.standard_normal(shape)).astype(np.float32).astype(np.float64)

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


def random_tokens(*shape: int, seed: int = 1) -> Float32s:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run_alone(model: TacnModel, tokens: Float32s, state: Any = None) -> Float32s:
    """Logits (T, L + 1) of tokens (T, C) through one state, fresh unless given."""
    state = model.fresh() if state is None else state
    return np.concatenate([model.step(token[None], [state]) for token in tokens])


def assert_accurate(
    got: Floats, plain: Floats, oracle: Floats, epsilon: float = float(np.finfo(np.float32).eps)
) -> None:
    """Assert at most twice the error of the plain way against float64, in the mean and at worst.

    Both errors are themselves a matter of luck where there are few values or few operations, hence
    a floor of some units in the last place of the precision, whose ``epsilon`` it is.
    """
    assert got.shape == oracle.shape
    assert got.dtype == np.float32
    floor = 4 * epsilon * float(np.abs(oracle).max())
    error, allowed = np.abs(got - oracle), np.abs(plain - oracle)
    assert np.sqrt(np.mean(error**2)) <= 2 * np.sqrt(np.mean(allowed**2)) + floor
    assert error.max() <= 2 * allowed.max() + floor


def assert_same_bits(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    assert a.tobytes() == b.tobytes()


LEVELS = _kernels.simd_levels()
PRECISIONS = ("float32", "bfloat16", "int8")
TACN_BACKENDS: list[TacnBackend] = [
    *(CppTacnBackend(level) for level in LEVELS),
    NumpyTacnBackend(),
]
VQ_BACKENDS: list[VQFusionBackend] = [
    *(CppVQFusionBackend(level) for level in LEVELS),
    NumpyVQFusionBackend(),
]
FRONT_END_BACKENDS: list[FrontEndBackend] = [
    *(CppFrontEndBackend(level) for level in LEVELS),
    NumpyFrontEndBackend(),
]
