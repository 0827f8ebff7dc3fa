"""NumPy reference of the front end; see :mod:`edgeser.reference.kernels` for its purpose.

The front end computes two views of a segment: a spectrogram and, to resolve pitch, the power at
frequencies that are evenly spaced in octaves. Convolutions read both, after normalisation by the
causal running level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgeser.reference.kernels import Floats


@dataclass(frozen=True)
class Layer:
    """A convolution over (time, frequency), with channels last."""

    weight: Floats  # (height, width, in, out)
    bias: Floats  # (out,)
    stride: tuple[int, int]
    padding: tuple[int, int]
    relu: bool


@dataclass(frozen=True)
class FrontEndWeights:
    """The network, and the constants of its two views; keys as in ``_kernels.FrontEnd``."""

    wide: tuple[Layer, ...]
    narrow: tuple[Layer, ...]
    encoder: tuple[Layer, ...]
    head_weight: Floats  # (features, F)
    head_bias: Floats  # (F,)
    segments: Mapping[str, int]
    spectrogram: Mapping[str, int]
    harmonics: Mapping[str, float]
    level: Mapping[str, float]

    def astype(self, dtype: npt.DTypeLike) -> FrontEndWeights:
        """Return the same weights in another dtype."""

        def cast(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
            return tuple(
                replace(layer, weight=layer.weight.astype(dtype), bias=layer.bias.astype(dtype))
                for layer in layers
            )

        return replace(
            self,
            wide=cast(self.wide),
            narrow=cast(self.narrow),
            encoder=cast(self.encoder),
            head_weight=self.head_weight.astype(dtype),
            head_bias=self.head_bias.astype(dtype),
        )


def read(weights: FrontEndWeights, segments: Floats, levels: Floats) -> tuple[Floats, ...]:
    """Deep (B, F), latent (B, P, D) and new levels (B,) of segments (B, samples), levels (B,)."""
    dtype = weights.head_weight.dtype
    rows = [_read(weights, wave, level) for wave, level in zip(segments, levels, strict=True)]
    return tuple(np.asarray(part, dtype) for part in zip(*rows, strict=True))


def _read(weights: FrontEndWeights, wave: Floats, level: Floats) -> tuple[Floats, Floats, Floats]:
    wave = wave.astype(weights.head_weight.dtype)
    wide = spectrogram(weights, wave)
    frames = min(weights.segments["hop"] // weights.spectrogram["hop"], len(wide))
    first = int(weights.level["first_bin"]) - 1  # the spectrogram begins with bin 1
    heard = decibels(wide[-frames:, first:].sum(-1).mean())
    new = follow(weights.level, level.astype(wave.dtype), heard)
    normal = normalise(weights.level, wide, new)
    features = [convolve(weights.wide, normal).ravel()]
    if weights.narrow:
        narrow = normalise(weights.level, harmonics(weights, wave), new)
        features.append(convolve(weights.narrow, narrow).ravel())
    deep = np.maximum(np.concatenate(features) @ weights.head_weight + weights.head_bias, 0)
    encoded = convolve(weights.encoder, normal)
    return deep, encoded.reshape(-1, encoded.shape[-1]), new


def spectrogram(weights: FrontEndWeights, wave: Floats) -> Floats:
    """Power (frames, window / 2): see :func:`power_spectrum`."""
    return power_spectrum(wave, weights.spectrogram["window"], weights.spectrogram["hop"])


def power_spectrum(wave: Floats, window: int, hop: int) -> Floats:
    """Power (frames, window / 2) without 0 Hz. Including 0 Hz, a frame sums to its mean square."""
    hann = _hann(window)
    k = np.arange(1, window // 2 + 1)
    twice = np.where(k == window // 2, 1, 2)
    basis = _basis(k / window, np.arange(window)) * hann
    basis *= np.sqrt(twice / (window * (hann**2).sum()))[:, None]
    return _power(_frames(wave, window, hop), basis)


def harmonics(weights: FrontEndWeights, wave: Floats) -> Floats:
    """Power (frames, bands); a tone in a band gives its mean square.

    The last frame and the wave end at the same sample.
    """
    h = weights.harmonics
    window, hop = int(h["window"]), int(h["hop"])
    hertz = h["lowest"] * 2.0 ** (np.arange(int(h["bands"])) / h["bands_an_octave"])
    hann = _hann(window)
    basis = _basis(hertz / weights.segments["sample_rate"], np.arange(window) - window // 2)
    start = (len(wave) - window) % hop
    return _power(_frames(wave[start:], window, hop), basis * hann * np.sqrt(2) / hann.sum())


def decibels(power: Floats) -> Floats:
    """10 log10 of a power, with a floor of -200 dB."""
    return np.asarray(10 * np.log10(power * power.dtype.type(1e20) + 1) - 200)


def follow(constants: Mapping[str, float], level: Floats, heard: Floats) -> Floats:
    """The running level after a hop with level ``heard``; it rises fast and falls slowly."""
    if level <= 0.5 * constants["unset"]:
        return np.asarray(np.maximum(heard, constants["quietest"]))
    difference = np.maximum(heard - level, -constants["fall_limit"])
    rate = constants["rise"] if difference > 0 else constants["fall"]
    moved = np.maximum(level + rate * difference, heard - constants["headroom"])
    return np.asarray(np.maximum(moved, constants["quietest"]))


def normalise(constants: Mapping[str, float], power: Floats, level: Floats) -> Floats:
    """Maps power to [-1, 1 + 20 / dynamic_range]: the floor to -1, the running level to 1."""
    span = constants["dynamic_range"]
    above = power * power.dtype.type(10 ** ((span - float(level)) / 10))
    scaled = np.log1p(above) * (20 / (span * np.log(10))) - 1
    return np.asarray(np.minimum(scaled, 1 + 20 / span), power.dtype)


def convolve(layers: tuple[Layer, ...], view: Floats) -> Floats:
    """Applies all layers to a view (time, frequency); returns (height, width, channels)."""
    values = view[..., None]
    for layer in layers:
        (down, across), (rows, columns) = layer.stride, layer.padding
        padded = np.pad(values, ((rows, rows), (columns, columns), (0, 0)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, layer.weight.shape[:2], (0, 1))
        patches = patches[::down, ::across]  # (height, width, in, kernel height, kernel width)
        values = np.einsum("yxiab,abio->yxo", patches, layer.weight) + layer.bias
        if layer.relu:
            values = np.maximum(values, 0)
    return values


def _hann(window: int) -> npt.NDArray[np.float64]:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))


def _basis(
    cycles_a_sample: npt.NDArray[np.float64], n: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Cosines, then sines: (2, frequencies, samples)."""
    phase = 2 * np.pi * cycles_a_sample[:, None] * n
    return np.stack([np.cos(phase), np.sin(phase)])


def _frames(wave: Floats, window: int, hop: int) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(wave, window)[::hop]


def _power(frames: Floats, basis: npt.NDArray[np.float64]) -> Floats:
    real, imaginary = (frames @ part.T for part in basis.astype(frames.dtype))
    return np.asarray(real * real + imaginary * imaginary)
