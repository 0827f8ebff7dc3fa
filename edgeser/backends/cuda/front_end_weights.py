"""A front end's tensors, packed as its kernels read them: see ``weights.py`` for what a block is.

    VIEW.basis        float32: cosines, then sines (2, window', bands'), the window folded in
    level.constants   float32: rise, fall, fall_limit, headroom, quietest, dynamic_range, unset
    LAYER.matrices    (taps', outputs'), in the precision that is asked for
    LAYER.bias        float32 (outputs')
    LAYER.taps        int32 (2, taps'): where each tap lies

Views are ``spectrogram`` and ``harmonics``, layers ``wide.0`` and so on, and ``head``. Marks are
for sizes rounded up to whole blocks. A tap's place is the number of values from a patch's first,
and how far down and across that is, 65536 times the one plus the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeser.backends.cuda.front_end_shape import (
    BLOCK_COLUMNS,
    BLOCK_DEPTH,
    FrontEndModel,
    FrontEndShape,
    Layer,
    Spectrum,
    padded,
)
from edgeser.backends.cuda.weights import PackedWeights, join, rounded

LEVEL_CONSTANTS = ("rise", "fall", "fall_limit", "headroom", "quietest", "dynamic_range")
_OUTSIDE = 0x3FFF << 16
"""A row below every map: taps in the padding read zeros there."""

Doubles = npt.NDArray[np.float64]


def pack_front_end(
    model: FrontEndModel, shape: FrontEndShape, precision: str = "fp32"
) -> PackedWeights:
    """Pack all that the kernels of a front end are given.

    Raises:
        BackendError: no such precision, or a weight is too large for it.
    """
    level = [*(model.network.level[name] for name in LEVEL_CONSTANTS), model.unset]
    sections: dict[str, npt.NDArray[np.generic]] = {
        "spectrogram.basis": _basis(shape.spectrogram, *_bins(shape.spectrogram.window)),
        "level.constants": np.array(level, np.float32),
    }
    if shape.harmonics is not None:
        bands = _bands(model, shape.harmonics)
        sections["harmonics.basis"] = _basis(shape.harmonics, *bands)
    for layer in shape.layers:
        depth = padded(layer.taps, BLOCK_DEPTH)
        columns = padded(layer.target.channels, BLOCK_COLUMNS)
        outputs = layer.target.channels
        matrices = np.zeros((depth, columns))
        weight = model.tensors[f"frontend.{layer.name}.weight"]
        matrices[: layer.taps, :outputs] = weight.reshape(layer.taps, outputs)
        bias = np.zeros(columns, np.float32)
        bias[:outputs] = model.tensors[f"frontend.{layer.name}.bias"]
        sections[f"{layer.name}.matrices"] = rounded(matrices, precision)
        sections[f"{layer.name}.bias"] = bias
        sections[f"{layer.name}.taps"] = _taps(layer, depth)
    return join(**sections)


def _taps(layer: Layer, depth: int) -> npt.NDArray[np.int32]:
    """(2, depth), in the order of the weights: rows of the kernel, columns, channels."""
    channels = layer.source.channels
    down, across, channel = np.indices((*layer.kernel, channels)).reshape(3, -1)
    taps = np.zeros((2, depth), np.int32)
    taps[0, : layer.taps] = (down * layer.source.width + across) * channels + channel
    taps[1] = _OUTSIDE
    taps[1, : layer.taps] = (down << 16) + across
    return taps


def _hann(window: int) -> Doubles:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))


def _bins(window: int) -> tuple[Doubles, Doubles]:
    """Cycles a sample, and what amplitudes are multiplied with.

    The power of a frame's bins, which are all but 0 Hz, sums to its mean square.
    """
    k = np.arange(1, window // 2 + 1)
    twice = np.where(k == window // 2, 1, 2)
    return k / window, np.sqrt(twice / (window * (_hann(window) ** 2).sum()))


def _bands(model: FrontEndModel, view: Spectrum) -> tuple[Doubles, Doubles]:
    """The same of bands evenly spaced in octaves; a tone in one gives its mean square."""
    h = model.network.harmonics
    hertz = h["lowest"] * 2.0 ** (np.arange(view.bands) / h["bands_an_octave"])
    scale = np.full(view.bands, np.sqrt(2) / _hann(view.window).sum())
    return hertz / model.sample_rate, scale


def _basis(view: Spectrum, cycles: Doubles, scale: Doubles) -> npt.NDArray[np.float32]:
    n = np.arange(view.window)
    phase = 2 * np.pi * (n - view.window // 2)[:, None] * cycles  # power does not mind a shift
    basis = np.zeros((2, padded(view.window, BLOCK_DEPTH), padded(view.bands, BLOCK_COLUMNS)))
    waves = np.stack([np.cos(phase), np.sin(phase)])
    basis[:, : view.window, : view.bands] = waves * _hann(view.window)[:, None] * scale
    return basis.astype(np.float32)
