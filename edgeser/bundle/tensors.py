"""``kernels.safetensors``: the required tensors and their shapes."""

from __future__ import annotations

from collections.abc import Mapping

from edgeser.bundle.manifest import Sizes
from edgeser.native import kernels


def expected_shapes(sizes: Sizes | Mapping[str, int], labels: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that the kernels need; (in, out) for matrices.

    The optional tensors of the front end's layers are not included.

    Args:
        sizes: as in the manifest.
        labels: number of emotions.
    """
    table = sizes._asdict() if isinstance(sizes, Sizes) else dict(sizes)
    shapes: dict[str, tuple[int, ...]] = kernels().tensor_shapes(table, labels)
    return shapes


def size_limits() -> dict[str, tuple[int, int]]:
    """The range of each of the manifest's sizes, and of the number of labels."""
    ranges: dict[str, tuple[int, int]] = kernels().size_limits()
    return ranges
