"""The layers of the front end, from ``manifest.json``.

They describe the same network as ``frontend.onnx``, for our own kernels. A bundle with another
network has only the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_LEVEL = ("rise", "fall", "fall_limit", "headroom", "quietest", "dynamic_range", "first_bin")


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


def network_of(raw: Mapping[str, Any]) -> Network | None:
    """The network of a checked manifest, or None if it has none."""
    table = raw.get("frontend")
    if table is None:
        return None
    return Network(
        wide=_body(table["wide"]),
        narrow=_body(table["narrow"]),
        encoder=_body(table["encoder"]),
        spectrogram=dict(table["spectrogram"]),
        harmonics=dict(table["harmonics"]),
        level={name: raw["normalisation"][name] for name in _LEVEL},
    )


def _body(layers: list[dict[str, Any]]) -> tuple[Convolution, ...]:
    return tuple(
        Convolution(tuple(layer["stride"]), tuple(layer["padding"]), layer["relu"])
        for layer in layers
    )
