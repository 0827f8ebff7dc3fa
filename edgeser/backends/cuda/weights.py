"""A bundle's tensors, packed as the GPU kernels read them: one flat block of bytes for a kernel.

A block has sections, each of which is an argument of the kernel: copy the block to the device once,
and pass its address plus the section's offset. Offsets are multiples of 256 bytes.

    vq_fusion   matrices   codebook (K', D'), deep (F', C'), projected (P, K, C')
                vectors    float32: |e|^2 (K'), infinite where there is no code; bias (C')
    tacn_step   matrices   layer by layer Q, K, V (3, C', H'), taps (k, H', C'); head (C', L')
                vectors    float32: bias (N, C'), head bias (L')
                layers     int32: dilation and first slot of the ring in the state, (N, 2)

Marks are for padded sizes, see ``shapes.py``; what is padding holds zeros. H' is a head's elements
by heads, heads fastest, as in the state. The output projection is folded into the taps, and the
latent weights into ``projected``, what each code adds to a token at each position. Matrices are in
the precision that is asked for, rounded once, to nearest, ties to even.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeser.backends.cuda.shapes import PRECISIONS, TacnShape, VQShape
from edgeser.errors import BackendError

Floats = npt.NDArray[np.floating]
Tensors = Mapping[str, npt.NDArray[np.float32]]

_ALIGNMENT = 256


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """A kernel's weights for the device. Immutable."""

    data: npt.NDArray[np.uint8]
    """The whole block, (n,)."""
    offsets: Mapping[str, int]
    """Bytes from the block's beginning to the section that an argument of that name points to."""


def pack_tacn(shape: TacnShape, tensors: Tensors, precision: str = "fp32") -> PackedWeights:
    """Pack the ``tacn.*`` and ``head.*`` tensors of a bundle for ``tacn_step``.

    Raises:
        BackendError: no such precision, or a weight is too large for it.
    """
    natural = (shape.layers, shape.width, shape.heads, shape.depth)
    inner = (shape.padded_depth, shape.padded_heads)
    matrices = np.zeros((shape.layers, 3 + shape.taps, shape.columns * shape.inner))
    for part, name in enumerate(("query", "key", "value")):
        by_head = np.zeros((shape.layers, shape.columns, *inner))
        by_head[:, : shape.width, : shape.depth, : shape.heads] = (
            tensors[f"tacn.{name}"].reshape(natural).swapaxes(-1, -2)
        )
        matrices[:, part] = by_head.reshape(shape.layers, -1)
    output = tensors["tacn.output"].astype(np.float64)
    for tap in range(shape.taps):
        folded = output @ tensors["tacn.taps"][:, tap]
        folded = folded.reshape(shape.layers, shape.heads, shape.depth, shape.width)
        by_head = np.zeros((shape.layers, *inner, shape.columns))
        by_head[:, : shape.depth, : shape.heads, : shape.width] = folded.swapaxes(1, 2)
        matrices[:, 3 + tap] = by_head.reshape(shape.layers, -1)
    head = np.zeros((shape.columns, shape.padded_outputs))
    head[: shape.width, : shape.outputs] = tensors["head.weight"]
    bias = np.zeros((shape.layers, shape.columns))
    bias[:, : shape.width] = tensors["tacn.bias"]
    head_bias = np.zeros(shape.padded_outputs)
    head_bias[: shape.outputs] = tensors["head.bias"]
    starts = np.cumsum((0, *shape.slots[:-1]))
    return join(
        matrices=rounded(np.concatenate((matrices.ravel(), head.ravel())), precision),
        vectors=np.concatenate((bias.ravel(), head_bias)).astype(np.float32),
        layers=np.stack((np.array(shape.dilations), starts), axis=1).astype(np.int32),
    )


def pack_vq(shape: VQShape, tensors: Tensors, precision: str = "fp32") -> PackedWeights:
    """Pack the ``vq.*`` tensors of a bundle for ``vq_fusion``.

    Raises:
        BackendError: no such precision, or a weight is too large for it.
    """
    codebook = np.zeros((shape.padded_codes, shape.code_columns))
    codebook[: shape.codes, : shape.code_width] = tensors["vq.codebook"]
    deep = np.zeros((shape.padded_deep, shape.columns))
    deep[: shape.deep_width, : shape.token_width] = tensors["vq.deep_weight"]
    latent = tensors["vq.latent_weight"].astype(np.float64)
    latent = latent.reshape(shape.positions, shape.code_width, shape.token_width)
    projected = np.zeros((shape.positions, shape.codes, shape.columns))
    projected[..., : shape.token_width] = tensors["vq.codebook"].astype(np.float64) @ latent
    # Of the codes as they will be compared, so that in any precision a code is nearest to itself.
    codes = _values(rounded(codebook, precision), precision).astype(np.float64)
    norms = (codes * codes).sum(axis=1)
    norms[shape.codes :] = np.inf
    bias = np.zeros(shape.columns)
    bias[: shape.token_width] = tensors["vq.bias"]
    matrices = np.concatenate([a.ravel() for a in (codebook, deep, projected)])
    return join(
        matrices=rounded(matrices, precision),
        vectors=np.concatenate((norms, bias)).astype(np.float32),
    )


def rounded(values: Floats, precision: str) -> npt.NDArray[np.generic]:
    """The values in a precision; bfloat16, which numpy lacks, as its bits."""
    if precision not in PRECISIONS:
        raise BackendError(f"no precision {precision!r}; there are {', '.join(PRECISIONS)}")
    largest = {"fp32": 3.4e38, "fp16": 65504.0, "bf16": 3.38e38}[precision]
    if np.abs(values).max(initial=0.0) > largest:
        raise BackendError(f"a weight is too large for {precision}: use another precision")
    if precision == "fp16":
        return values.astype(np.float16)
    single = values.astype(np.float32)
    if precision == "fp32":
        return single
    bits = single.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _values(rounded: npt.NDArray[np.generic], precision: str) -> Floats:
    """What :func:`rounded` made, as float32."""
    if precision == "bf16":
        return (rounded.astype(np.uint32) << 16).view(np.float32)
    return rounded.astype(np.float32)


def join(**sections: npt.NDArray[np.generic]) -> PackedWeights:
    """One block of all sections, in this order."""
    parts: list[bytes] = []
    offsets: dict[str, int] = {}
    at = 0
    for name, section in sections.items():
        offsets[name] = at
        data = section.tobytes()
        parts.append(data + bytes(-len(data) % _ALIGNMENT))
        at += len(parts[-1])
    return PackedWeights(np.frombuffer(b"".join(parts), np.uint8), offsets)
