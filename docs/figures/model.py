"""The sizes of the bundled model, which the figures are drawn to."""

from __future__ import annotations

from functools import cache

import edgeser


@cache
def sizes() -> dict[str, int]:
    """The bundle's own ``sizes``: hop, segment, sample_rate, layers, taps, width and so on."""
    return dict(edgeser.load().facts["sizes"])


def dilations() -> list[int]:
    """The dilation of each layer."""
    return [2**layer for layer in range(sizes()["layers"])]
