"""The front end as launches of three kernels: their arguments and all sizes.

Two spectra, the running level, then for each body a launch for each layer, and the head. A network
appears only as numbers in the arguments, so the kernels are compiled once for all networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeser.bundle import Bundle
from edgeser.bundle.network import Convolution, Network

BLOCK_COLUMNS = 32
"""Outputs, or bands, of one program; matrices are padded to whole blocks of them."""
BLOCK_DEPTH = 32
"""Inputs that are multiplied at a time; matrices are padded to whole blocks of them."""

Tensors = Mapping[str, npt.NDArray[np.float32]]


class FrontEndModel(NamedTuple):
    """The parts of a bundle that determine its front end."""

    network: Network
    tensors: Tensors
    """With ``frontend.*`` as in :class:`edgeser.bundle.network.Convolution`."""
    segment: int
    """Samples."""
    hop: int
    """Samples between two segments."""
    sample_rate: int
    unset: float
    """The level of a stream that has heard nothing yet."""


def front_end_model(bundle: Bundle) -> FrontEndModel | None:
    """The front end of a bundle; None if the bundle does not contain its layers."""
    manifest, sizes = bundle.manifest, bundle.manifest.sizes
    if manifest.network is None:
        return None
    return FrontEndModel(
        manifest.network,
        bundle.tensors,
        sizes.segment,
        sizes.hop,
        sizes.sample_rate,
        manifest.level_initial,
    )


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of a kernel, for any number of segments."""

    kernel: str
    rows: int
    """Of a segment."""
    columns: int
    arrays: Mapping[str, tuple[str, int]]
    """Argument to an array or a section of the weights, and how many values into it to begin."""
    numbers: Mapping[str, int]
    """Argument to value, but for ``count``, which is the rows of all segments."""

    def programs(self, segments: int, block_rows: int) -> int:
        """Grid x."""
        return -(-self.rows * segments // block_rows) * self.column_blocks

    @property
    def column_blocks(self) -> int:
        """Programs side by side that share their rows."""
        return -(-self.columns // BLOCK_COLUMNS)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A view's frames and frequencies."""

    window: int
    hop: int
    start: int
    """Samples before the first frame."""
    frames: int
    bands: int

    @property
    def values(self) -> int:
        """Of the view of one segment."""
        return self.frames * self.bands


@dataclass(frozen=True, slots=True)
class Map:
    """Sizes of a map, channels last."""

    height: int
    width: int
    channels: int

    @property
    def values(self) -> int:
        """Of the map of one segment."""
        return self.height * self.width * self.channels


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, by the name of its weights: from a map to a map."""

    name: str
    kernel: tuple[int, int]
    told: Convolution
    source: Map
    target: Map

    @property
    def taps(self) -> int:
        """Inputs of one output."""
        return math.prod(self.kernel) * self.source.channels


@dataclass(frozen=True, slots=True)
class FrontEndShape:
    """All sizes of a front end."""

    segment: int
    spectrogram: Spectrum
    harmonics: Spectrum | None
    newest: int
    """Frames of the spectrogram that are the hop."""
    skipped: int
    """Its lowest bands, which do not count as loudness."""
    wide: tuple[Layer, ...]
    narrow: tuple[Layer, ...]
    encoder: tuple[Layer, ...]
    head: Layer

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Of all bodies, and the head."""
        return (*self.wide, *self.narrow, *self.encoder, self.head)

    @property
    def scratch(self) -> dict[str, int]:
        """Arrays that only the kernels see: name to values of one segment."""
        bodies = (self.wide, self.narrow, self.encoder)
        sizes = {"spectrogram": self.spectrogram.values, "features": self.head.source.values}
        if self.harmonics is not None:
            sizes["harmonics"] = self.harmonics.values
        for turn in (0, 1):  # layers write them in turns, the last of a body elsewhere
            maps = [la.target.values for body in bodies for la in body[turn:-1:2]]
            if maps:
                sizes[f"maps {turn}"] = max(maps)
        return sizes


def front_end_shape(model: FrontEndModel) -> FrontEndShape:
    """The sizes of a front end that the CPU takes as well."""
    network, tensors = model.network, model.tensors
    window, hop = int(network.spectrogram["window"]), int(network.spectrogram["hop"])
    spectrogram = Spectrum(window, hop, 0, (model.segment - window) // hop + 1, window // 2)
    harmonics = None
    if network.narrow:
        h = network.harmonics
        window, hop = int(h["window"]), int(h["hop"])
        room = model.segment - window
        harmonics = Spectrum(window, hop, room % hop, room // hop + 1, int(h["bands"]))

    def body(name: str, view: Spectrum) -> tuple[Layer, ...]:
        source, layers = Map(view.frames, view.bands, 1), []
        for n, told in enumerate(getattr(network, name)):
            *kernel, _, outputs = tensors[f"frontend.{name}.{n}.weight"].shape
            sides = zip((source.height, source.width), kernel, told.stride, told.padding)  # noqa: B905
            height, width = ((side + 2 * pad - k) // step + 1 for side, k, step, pad in sides)
            target = Map(height, width, outputs)
            layers.append(Layer(f"{name}.{n}", (kernel[0], kernel[1]), told, source, target))
            source = target
        return tuple(layers)

    wide, encoder = body("wide", spectrogram), body("encoder", spectrogram)
    narrow = () if harmonics is None else body("narrow", harmonics)
    features, deep = tensors["frontend.head.weight"].shape
    linear = Convolution((1, 1), (0, 0), relu=True)
    return FrontEndShape(
        segment=model.segment,
        spectrogram=spectrogram,
        harmonics=harmonics,
        newest=min(model.hop // spectrogram.hop, spectrogram.frames),
        skipped=int(network.level["first_bin"]) - 1,  # it begins with bin 1
        wide=wide,
        narrow=narrow,
        encoder=encoder,
        head=Layer("head", (1, 1), linear, Map(1, 1, features), Map(1, 1, deep)),
    )


def launches(shape: FrontEndShape) -> tuple[Launch, ...]:
    """All launches, in order.

    Arrays are ``segment`` (B, segment), ``level`` (B,), ``deep`` (B, F), ``latent`` (B, P, D) and
    ``level_out`` (B,), those of :attr:`FrontEndShape.scratch`, and sections of the weights.
    """
    made = [_spectrum("spectrogram", shape.spectrogram, shape.segment)]
    if shape.harmonics is not None:
        made.append(_spectrum("harmonics", shape.harmonics, shape.segment))
    made.append(_level(shape))
    features = shape.head.source.values
    made += _body(shape.wide, "spectrogram", "features", 0, features)
    if shape.narrow:
        first = shape.wide[-1].target.values
        made += _body(shape.narrow, "harmonics", "features", first, features)
    made += _body(shape.encoder, "spectrogram", "latent", 0, shape.encoder[-1].target.values)
    made += _body((shape.head,), "features", "deep", 0, shape.head.target.values)
    return tuple(made)


def padded(size: int, block: int) -> int:
    """``size``, rounded up to whole blocks."""
    return -(-size // block) * block


def _spectrum(name: str, view: Spectrum, segment: int) -> Launch:
    numbers = {
        "segment_values": segment,
        "start": view.start,
        "hop": view.hop,
        "frames": view.frames,
        "window": view.window,
        "depth": padded(view.window, BLOCK_DEPTH),
        "bands": view.bands,
    }
    arrays = {"segments": ("segment", 0), "basis": (f"{name}.basis", 0), "power": (name, 0)}
    return Launch("spectrum", view.frames, view.bands, arrays, numbers)


def _level(shape: FrontEndShape) -> Launch:
    numbers = {
        "values": shape.spectrogram.values,
        "bins": shape.spectrogram.bands,
        "skipped": shape.skipped,
        "newest": shape.newest,
        "harmonic_values": 0 if shape.harmonics is None else shape.harmonics.values,
    }
    names = {
        "spectrogram": "spectrogram",
        "harmonics": "spectrogram" if shape.harmonics is None else "harmonics",
        "level": "level",
        "constants": "level.constants",
        "level_out": "level_out",
    }
    return Launch("running_level", 1, 1, {a: (name, 0) for a, name in names.items()}, numbers)


def _body(
    layers: tuple[Layer, ...], view: str, result: str, first: int, result_values: int
) -> Iterator[Launch]:
    """A view through all layers to a place in an array, which has so many values a segment."""
    source = view
    for n, layer in enumerate(layers):
        last = n + 1 == len(layers)
        target, start = (result, first) if last else (f"maps {n % 2}", 0)
        positions = layer.target.height * layer.target.width
        arrays = {
            "maps": (source, 0),
            "matrices": (f"{layer.name}.matrices", 0),
            "bias": (f"{layer.name}.bias", 0),
            "taps": (f"{layer.name}.taps", 0),
            "results": (target, start),
        }
        numbers = {
            "map_values": layer.source.values,
            "height": layer.source.height,
            "width": layer.source.width,
            "channels": layer.source.channels,
            "result_values": result_values if last else layer.target.values,
            "positions": positions,
            "across": layer.target.width,
            "stride_down": layer.told.stride[0],
            "stride_across": layer.told.stride[1],
            "padding_down": layer.told.padding[0],
            "padding_across": layer.told.padding[1],
            "depth": padded(layer.taps, BLOCK_DEPTH),
            "outputs": layer.target.channels,
            "relu": int(layer.told.relu),
        }
        yield Launch("convolution", positions, layer.target.channels, arrays, numbers)
        source = target
