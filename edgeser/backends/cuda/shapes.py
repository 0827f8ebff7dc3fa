"""The sizes of the GPU kernels' arrays, for compiling, packing and launching.

A GPU computes in blocks whose sides are powers of two. Weights are padded with zeros to those
when they are packed; states and everything that a caller hands in are not padded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeser.bundle import Manifest

PRECISIONS = ("fp32", "fp16", "bf16")
"""Precisions of weights and their inputs. Sums, states and results are float32."""

PRECISION_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
"""What people call them, as on the command line."""

STATE_HEADER_BYTES = 64
"""One int64 counter, the number of tokens done, and zeros; see csrc/state.hpp."""

_LEAST = 16
"""The shortest side of a block that a matrix product takes."""


def padded(size: int, least: int = 1) -> int:
    """The smallest power of two that is at least ``size`` and ``least``."""
    return max(least, 1 << (size - 1).bit_length())


@dataclass(frozen=True, slots=True)
class TacnShape:
    """A TACN step: C, h, k, a dilation for each layer, and L outputs of the head."""

    width: int
    heads: int
    taps: int
    dilations: tuple[int, ...]
    outputs: int

    @property
    def layers(self) -> int:
        """N."""
        return len(self.dilations)

    @property
    def depth(self) -> int:
        """Elements of one head, C / h."""
        return self.width // self.heads

    @property
    def columns(self) -> int:
        """C, padded: a side of every matrix that faces tokens."""
        return padded(self.width, _LEAST)

    @property
    def padded_heads(self) -> int:
        """Heads, padded: they are fastest."""
        return padded(self.heads)

    @property
    def padded_depth(self) -> int:
        """Elements of a head, padded so that all heads together fill a block."""
        return padded(self.depth, -(-_LEAST // self.padded_heads))

    @property
    def inner(self) -> int:
        """Columns of Q, of K and of V, padded: ``padded_depth`` by ``padded_heads``."""
        return self.padded_depth * self.padded_heads

    @property
    def padded_outputs(self) -> int:
        """L, padded."""
        return padded(self.outputs, _LEAST)

    @property
    def layer_values(self) -> int:
        """Values of all matrices of one layer: Q, K and V, then the taps."""
        return (3 + self.taps) * self.columns * self.inner

    @property
    def slots(self) -> tuple[int, ...]:
        """Tokens that each layer's ring holds, (k-1)d."""
        return tuple((self.taps - 1) * d for d in self.dilations)

    @property
    def period(self) -> int:
        """Tokens after which every ring is at its beginning again."""
        return math.lcm(*self.slots)

    @property
    def reach(self) -> int:
        """Tokens that the oldest tap of any layer lies back."""
        return max(self.slots)

    @property
    def state_bytes(self) -> int:
        """Bytes of one stream's block: the header, then the rings, as in csrc/README.md."""
        return STATE_HEADER_BYTES + 4 * 3 * self.width * sum(self.slots)

    @property
    def block_bytes(self) -> int:
        """From one stream's block to the next in an arena: ``state_bytes``, rounded up to 64."""
        return -(-self.state_bytes // 64) * 64


@dataclass(frozen=True, slots=True)
class VQShape:
    """A fused VQ lookup: K codes of width D, P positions, F deep features, tokens of width C."""

    codes: int
    code_width: int
    positions: int
    deep_width: int
    token_width: int

    @property
    def code_columns(self) -> int:
        """D, padded."""
        return padded(self.code_width, _LEAST)

    @property
    def code_block(self) -> int:
        """Codes that are compared at a time."""
        return min(32, padded(self.codes, _LEAST))

    @property
    def padded_codes(self) -> int:
        """K, rounded up to whole blocks. The norm of a code that is padding is infinite."""
        return -(-self.codes // self.code_block) * self.code_block

    @property
    def deep_block(self) -> int:
        """Deep features that are multiplied at a time."""
        return min(64, padded(self.deep_width, _LEAST))

    @property
    def padded_deep(self) -> int:
        """F, rounded up to whole blocks."""
        return -(-self.deep_width // self.deep_block) * self.deep_block

    @property
    def columns(self) -> int:
        """C, padded."""
        return padded(self.token_width, _LEAST)


def tacn_shape(manifest: Manifest) -> TacnShape:
    """The shape of a bundle's TACN step."""
    s = manifest.sizes
    return TacnShape(s.width, s.heads, s.taps, s.dilations, len(manifest.labels))


def vq_shape(manifest: Manifest) -> VQShape:
    """The shape of a bundle's VQ lookup."""
    s = manifest.sizes
    return VQShape(s.codes, s.code_width, s.positions, s.deep, s.width)


def kernel_sizes(manifest: Manifest) -> dict[str, int]:
    """What of a bundle's sizes the kernels are compiled for, by name."""
    s = manifest.sizes
    names = ("deep", "positions", "code_width", "codes", "width", "layers", "heads", "taps")
    return {**{name: getattr(s, name) for name in names}, "outputs": len(manifest.labels)}
