"""One tester for all backends of the kernels.

A backend is anything with the methods of :class:`TacnBackend` or :class:`VQFusionBackend`. Each is
held against the float64 numpy reference by the rule of :func:`assert_accurate`: at most twice the
error that plain numpy makes in float32, or plain PyTorch in a lower precision. To test another
backend, add it to the lists at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from edgeser import _kernels
from edgeser.reference import front_end
from edgeser.reference import kernels as reference
from edgeser.reference.front_end import FrontEndWeights, Layer
from edgeser.reference.kernels import TacnPast, TacnWeights, VQFusionWeights
from tests.kernels import triton_backend

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


class Backend(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def largest_width(self) -> int:
        """Of blocks, whose sides are powers of two."""

    @property
    def slow(self) -> bool:
        """Whether it takes some tenths of a second for a token."""


class TacnBackend(Backend, Protocol):
    def load(self, weights: TacnWeights) -> TacnModel: ...


class VQFusionModel(Protocol):
    def __call__(
        self, deep: Float32s, latent: Float32s
    ) -> tuple[Float32s, npt.NDArray[np.int32]]: ...


class VQFusionBackend(Backend, Protocol):
    def load(self, weights: VQFusionWeights) -> VQFusionModel: ...


class FrontEndModel(Protocol):
    def __call__(
        self, segments: Float32s, levels: Float32s
    ) -> tuple[Float32s, Float32s, Float32s]: ...


class FrontEndBackend(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def slow(self) -> bool:
        """Whether it takes minutes for a model as large as the shipped one."""

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

    largest_width: ClassVar[int] = 512
    slow: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return f"cpp-{self.simd}"


@dataclass(frozen=True)
class CppTacnBackend(CppBackend):
    projections: bool = False

    @property
    def name(self) -> str:
        return super().name + ("-projections" if self.projections else "")

    def load(self, weights: TacnWeights) -> CppTacn:
        return CppTacn(cpp_tacn(weights, self.simd, projections=self.projections))


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
    weights: TacnWeights,
    simd: str | None = None,
    precision: str = "float32",
    *,
    projections: bool = False,
) -> _kernels.TACN:
    w = weights.astype(np.float32)
    return _kernels.TACN(
        *(w.query, w.key, w.value, w.output, w.taps, w.bias, w.head_weight, w.head_bias),
        heads=w.heads,
        dilations=w.dilations,
        precision=precision,
        projections=projections,
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


class NumpyBackend:
    name = "numpy"
    largest_width = 512
    slow = False


class NumpyTacnBackend(NumpyBackend):
    def load(self, weights: TacnWeights) -> NumpyTacn:
        return NumpyTacn(weights)


class NumpyVQFusionBackend(NumpyBackend):
    def load(self, weights: VQFusionWeights) -> VQFusionModel:
        w = weights.astype(np.float32)

        def run(deep: Float32s, latent: Float32s) -> tuple[Float32s, npt.NDArray[np.int32]]:
            codes = reference.nearest_codes(latent, w.codebook).astype(np.int32)
            return reference.fuse(w, deep, codes).astype(np.float32), codes

        return run


class NumpyFrontEndBackend(NumpyBackend):
    def load(self, weights: FrontEndWeights) -> FrontEndModel:
        w = weights.astype(np.float32)

        def run(segments: Float32s, levels: Float32s) -> tuple[Float32s, Float32s, Float32s]:
            deep, latent, new = front_end.read(w, segments, levels)
            return deep.astype(np.float32), latent.astype(np.float32), new.astype(np.float32)

        return run


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


def random_tokens(*shape: int, seed: int = 1) -> Float32s:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run_alone(model: TacnModel, tokens: Float32s, state: Any = None) -> Float32s:
    """Logits (T, L + 1) of tokens (T, C) through one state, fresh unless given."""
    state = model.fresh() if state is None else state
    return np.concatenate([model.step(token[None], [state]) for token in tokens])


FEW = 8
"""Tokens at each end of a long sequence that a slow backend computes."""


def run_sequence(
    backend: TacnBackend, weights: TacnWeights, tokens: Float32s
) -> tuple[npt.NDArray[np.intp], Float32s]:
    """Logits of tokens (T, C) and their indices: all, or the first and last of a slow backend.

    In between, the C++ kernel carries its state on, so such a backend must have the same state:
    that of GPUs, with Q, K and V.
    """
    model, times = backend.load(weights), np.arange(len(tokens))
    if not backend.slow:
        return times, run_alone(model, tokens)
    state = model.fresh()
    first = run_alone(model, tokens[:FEW], state)
    run_alone(CppTacn(cpp_tacn(weights, projections=True)), tokens[FEW:-FEW], state)
    last = run_alone(model, tokens[-FEW:], state)
    return np.r_[times[:FEW], times[-FEW:]], np.concatenate((first, last))


def assert_accurate(
    got: Floats, plain: Floats, oracle: Floats, epsilon: float = float(np.finfo(np.float32).eps)
) -> None:
    """Asserts at most twice plain PyTorch's error against float64, mean and maximum.

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
    CppTacnBackend(LEVELS[0], projections=True),
    NumpyTacnBackend(),
    *triton_backend.backends("tacn_step"),
]
VQ_BACKENDS: list[VQFusionBackend] = [
    *(CppVQFusionBackend(level) for level in LEVELS),
    NumpyVQFusionBackend(),
    *triton_backend.backends("vq_fusion"),
]
FRONT_END_BACKENDS: list[FrontEndBackend] = [
    *(CppFrontEndBackend(level) for level in LEVELS),
    NumpyFrontEndBackend(),
    *triton_backend.backends("convolution"),
]
