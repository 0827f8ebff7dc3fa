"""Agreement of two backends where a vector is equally near to two codes.

The lookup decides, so a difference in the last bit may choose another code, and another code is
another token. On an H100 that made 0.0013 of a probability: the processor's float32 had chosen the
second nearest, by 1e-7 of the vector's square; and 0.05 in bfloat16, where the GPU compares rounded
vectors. So held are: the code chosen is as near as any within rounding; and of the same codes, the
same frames.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cpu.front_end import Features
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.bundle import Bundle
from edgeser.model import Model
from edgeser.options import Precision
from edgeser.reference import kernels as reference
from tests.sounds import whole

Floats = npt.NDArray[np.floating]
Sound = npt.NDArray[np.float32]

NEAR = {"float32": 1e-6, "bfloat16": 2.0**-6}
"""Relative to |latent|^2 + |code|^2: distances closer than this count as equal."""
CLEAR = 4e-7
"""Likewise: six units in the last place, beyond which float32 rounding cannot differ."""
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.01}
"""Tolerance for tokens and logits of the same codes, relative to the largest."""
FEATURES = {"float32": 1e-4, "bfloat16": 0.05}
"""Tolerance for features of the same sound, relative to the largest."""


def clear(bundle: Bundle, make: Callable[[int], Sound], rate: int, count: int) -> list[Sound]:
    """The first of ``make(0)``, ``make(1)``, ... without near ties of codes."""
    found: list[Sound] = []
    for seed in range(100):
        sound = make(seed)
        if _margin(bundle, sound, rate) > CLEAR:
            found.append(sound)
        if len(found) == count:
            return found
    raise AssertionError("every sound is near a tie")


def _margin(bundle: Bundle, sound: Sound, rate: int) -> float:
    engine = Engine(bundle)
    latents, front_end = [], engine.front_end

    def noting(segments: npt.NDArray[np.float32], levels: npt.NDArray[np.float32]) -> Features:
        features = front_end(segments, levels)
        latents.append(features.latent.copy())
        return features

    engine.front_end = noting
    whole(Model(engine).stream(rate), sound)
    distances, scale = _distances(bundle, np.concatenate(latents))
    nearest = np.partition(distances, 1, axis=-1)
    return float(((nearest[..., 1] - nearest[..., 0]) / scale).min())


def _distances(bundle: Bundle, latent: Floats) -> tuple[Floats, Floats]:
    codebook = bundle.tensors["vq.codebook"].astype(np.float64)
    latent = latent.astype(np.float64)
    squares, lengths = (codebook**2).sum(-1), (latent**2).sum(-1)
    # In float64 the expanded square is as good as any, and takes a hundredth of the memory.
    return lengths[..., None] - 2 * latent @ codebook.T + squares, lengths + squares.max()


def assert_steps(engine: CudaEngine, sound: Sound, precision: Precision) -> None:
    """Steps a stream on the GPU and checks each part of each step against its input."""
    bundle, runtime, cpu = engine.bundle, engine.runtime, Engine(engine.bundle, precision)
    sizes, t = bundle.manifest.sizes, bundle.tensors
    fusion = reference.VQFusionWeights(
        *(t[f"vq.{name}"] for name in ("codebook", "deep_weight", "latent_weight", "bias"))
    ).astype(np.float64)
    block = np.zeros(cpu.core.tacn.state_bytes, np.uint8)
    row = runtime.lease()
    level = np.float32(bundle.manifest.level_initial)
    codes = np.zeros((1, sizes.positions), np.int32)
    for end in range(sizes.segment, len(sound) + 1, sizes.hop):
        segment = sound[end - sizes.segment : end]
        features = cpu.front_end(segment[None], np.array([level]))
        tokens, levels = runtime.look(segment[None], np.array([level]))
        deep, latent = np.empty_like(features.deep), np.empty_like(features.latent)
        for name, array in (("codes", codes), ("deep", deep), ("latent", latent)):
            runtime.device.copy_out(
                array.view(np.uint8).reshape(-1), runtime._lookups[1].places.addresses[name]
            )
        runtime.device.synchronize()
        np.testing.assert_allclose(levels, features.level, atol=1e-3)
        _assert_close(deep, features.deep, FEATURES[precision])
        _assert_close(latent, features.latent, FEATURES[precision])
        distances, scale = _distances(bundle, latent)
        chosen = np.take_along_axis(distances, codes[..., None].astype(np.int64), -1)[..., 0]
        assert (chosen - distances.min(-1) <= NEAR[precision] * scale).all()
        token = reference.fuse(fusion, deep.astype(np.float64), codes)
        _assert_close(tokens, token, TOLERANCE[precision])
        logits = runtime.step([row], [end == sizes.segment], tokens)
        _assert_close(logits, cpu.core.tacn.step(tokens, [block]), TOLERANCE[precision])
        level = np.float32(features.level[0])
    runtime.release(row)


def _assert_close(found: Floats, wanted: Floats, tolerance: float) -> None:
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)
