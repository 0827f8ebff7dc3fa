"""``kernels.safetensors``: which tensors there must be, and of which shapes, for a manifest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgeser.bundle.manifest import Manifest
from edgeser.errors import BundleError

FloatArray = npt.NDArray[np.float32]


def expected_shapes(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Name to shape of every tensor that the kernels need, (in, out) for matrices."""
    s = manifest.sizes
    outputs = len(manifest.labels) + 1
    square = (s.layers, s.width, s.width)
    return {
        "vq.codebook": (s.codes, s.code_width),
        "vq.deep_weight": (s.deep, s.width),
        "vq.latent_weight": (s.positions * s.code_width, s.width),
        "vq.bias": (s.width,),
        "tacn.query": square,
        "tacn.key": square,
        "tacn.value": square,
        "tacn.output": square,
        "tacn.taps": (s.layers, s.taps, s.width, s.width),
        "tacn.bias": (s.layers, s.width),
        "head.weight": (s.width, outputs),
        "head.bias": (outputs,),
    }


def check_tensors(manifest: Manifest, tensors: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Hold tensors against the manifest: names, dtype float32, shapes, finite values.

    Raises:
        BundleError: for the first tensor that does not fit, by name.
    """
    shapes = expected_shapes(manifest)
    axes = manifest.network.tensors if manifest.network else {}
    expected = shapes.keys() | axes.keys()
    for name in sorted(expected ^ tensors.keys()):
        what = "is missing" if name in expected else "does not belong there"
        raise BundleError(f"kernels.safetensors: tensor {name} {what}")
    for name in [*shapes, *axes]:
        tensor = tensors[name]
        if tensor.dtype != np.float32:
            raise BundleError(f"kernels.safetensors: {name} is {tensor.dtype}, not float32")
        if name in shapes and tensor.shape != shapes[name]:
            raise BundleError(
                f"kernels.safetensors: {name} has shape {tensor.shape}; "
                f"the sizes in manifest.json ask for {shapes[name]}"
            )
        # How the network's shapes fit each other is checked when it is made.
        if name in axes and tensor.ndim != axes[name]:
            raise BundleError(
                f"kernels.safetensors: {name} has {tensor.ndim} axes, and must have {axes[name]}"
            )
        if not np.isfinite(tensor).all():
            raise BundleError(f"kernels.safetensors: {name} holds NaN or infinite values")
