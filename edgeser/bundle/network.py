"""The front end's network, layer by layer, as ``manifest.json`` tells it.

It is what ``frontend.onnx`` computes, for those who compute it themselves. A bundle of another
network does without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from edgeser.errors import BundleError

_MOST_LAYERS = 64


class Convolution(NamedTuple):
    """One layer; its weights (height, width, in, out) are the tensors ``frontend.BODY.N.*``."""

    stride: tuple[int, int]
    """Down (time) and across (frequency)."""
    padding: tuple[int, int]
    """Rows and columns of zeros on either side."""
    relu: bool
    """Whether negative outputs become zero."""


class Network(NamedTuple):
    """Two views of a segment, the bodies that read them, and the constants of the views."""

    wide: tuple[Convolution, ...]
    """Reads the spectrogram."""
    narrow: tuple[Convolution, ...]
    """Reads the harmonics; may be empty."""
    encoder: tuple[Convolution, ...]
    """Reads the spectrogram; gives E_o of the paper."""
    spectrogram: Mapping[str, float]
    """window, hop: samples."""
    harmonics: Mapping[str, float]
    """window, hop: samples; lowest: Hz; bands; bands_an_octave."""
    level: Mapping[str, float]
    """Constants of the running level: decibels, shares a hop, and first_bin."""

    @property
    def tensors(self) -> dict[str, int]:
        """Name to number of axes of every tensor that the network needs."""
        axes = {"frontend.head.weight": 2, "frontend.head.bias": 1}
        bodies = {"wide": self.wide, "narrow": self.narrow, "encoder": self.encoder}
        for body, layers in bodies.items():
            for n in range(len(layers)):
                axes[f"frontend.{body}.{n}.weight"] = 4
                axes[f"frontend.{body}.{n}.bias"] = 1
        return axes


def parse_network(raw: Mapping[str, Any]) -> Network | None:
    """What a decoded manifest says of the network, or None if it says nothing.

    Raises:
        BundleError: for the first thing that is wrong, by name.
    """
    if "frontend" not in raw:
        return None
    table = _object(raw, "frontend", "")
    harmonics = "window", "hop", "lowest", "bands", "bands_an_octave"
    level = "rise", "fall", "fall_limit", "headroom", "quietest", "dynamic_range", "first_bin"
    return Network(
        wide=_body(table, "wide"),
        narrow=_body(table, "narrow"),
        encoder=_body(table, "encoder"),
        spectrogram=_numbers(table, "spectrogram", "frontend.", ("window", "hop")),
        harmonics=_numbers(table, "harmonics", "frontend.", harmonics),
        level=_numbers(raw, "normalisation", "", level),
    )


def _object(raw: Mapping[str, Any], key: str, inside: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, dict):
        raise BundleError(f"manifest.json: {inside}{key} must be an object")
    return value


def _numbers(
    raw: Mapping[str, Any], key: str, inside: str, names: tuple[str, ...]
) -> dict[str, float]:
    table = _object(raw, key, inside)
    for name in names:
        if isinstance(table.get(name), bool) or not isinstance(table.get(name), int | float):
            raise BundleError(f"manifest.json: {inside}{key}.{name} must be a number")
    return {name: table[name] for name in names}


def _body(table: Mapping[str, Any], name: str) -> tuple[Convolution, ...]:
    layers = table.get(name)
    if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
        raise BundleError(f"manifest.json: frontend.{name} must be a list of layers")
    return tuple(_convolution(layer, f"frontend.{name}[{n}]") for n, layer in enumerate(layers))


def _convolution(layer: object, place: str) -> Convolution:
    if not isinstance(layer, dict) or not isinstance(layer.get("relu"), bool):
        raise BundleError(f"manifest.json: {place} must be an object with stride, padding and relu")
    return Convolution(
        stride=_pair(layer, "stride", 1, place),
        padding=_pair(layer, "padding", 0, place),
        relu=layer["relu"],
    )


def _pair(layer: Mapping[str, Any], key: str, low: int, place: str) -> tuple[int, int]:
    value = layer.get(key)
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(type(item) is int and low <= item <= 64 for item in value)
    ):
        raise BundleError(
            f"manifest.json: {place}.{key} must be two whole numbers from {low} to 64"
        )
    return value[0], value[1]
