"""``manifest.json`` as typed values.

The reader in C++, ``csrc/bundle``, has checked them before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from edgeser.bundle.network import Network, network_of

FORMAT = 2
"""The bundle format that this edgeser reads, and the one that it writes."""


class Sizes(NamedTuple):
    """The shapes of a model. The letters are those of the paper and of the kernels' reference."""

    sample_rate: int
    """Hz, of the audio inside the model."""
    segment: int
    """Samples in the segment of one token."""
    hop: int
    """Samples between the ends of two tokens."""
    deep: int
    """F, width of the deep features R_d."""
    positions: int
    """P, latent vectors in one segment."""
    code_width: int
    """D, width of one latent vector and of one code."""
    codes: int
    """K, codes in the codebook."""
    width: int
    """C, width of a token and of every TACN layer."""
    layers: int
    """N, TACN layers; layer n has dilation 2**n."""
    heads: int
    """h, attention heads; divides C."""
    taps: int
    """k, taps of the causal dilated convolution."""
    gate_hidden: int
    """H, hidden units of the gate."""
    gate_memory: int
    """M, earlier tokens that the gate's score depends on."""

    @property
    def dilations(self) -> tuple[int, ...]:
        """1, 2, 4, … one for each layer."""
        return tuple(1 << n for n in range(self.layers))

    @property
    def receptive_tokens(self) -> int:
        """Number of tokens that a frame can depend on, including its own."""
        return 1 + (self.taps - 1) * sum(self.dilations)


class Thresholds(NamedTuple):
    """Thresholds. A frame below one of the first two, both in [0, 1], has no label."""

    speech: float
    confidence: float
    utterance: float = 0.0
    """Minimum seconds of speech, in [0, 60], for the label of a verdict."""


class SpeakerRules(NamedTuple):
    """Constants of the adaptation to a speaker; see docs/streaming.md."""

    adapt: bool
    """Whether streams adapt by default."""
    prior: float
    """Weight of the training's statistics, in utterances."""
    floor: float
    """Minimum weight of the statistics of a speaker without variation, in [0, 1]."""
    bound: float
    """Maximum of the shift, in units of the training's deviation."""
    most: float
    """Maximum number of utterances in the statistics."""
    shortest: int
    """Minimum tokens of speech of a sequence; shorter ones do not change the statistics."""
    calibration: float
    """Weight of a calibration, in utterances."""


class Manifest(NamedTuple):
    """A checked manifest. ``raw`` is the whole JSON object, with the training metadata."""

    name: str
    version: str
    labels: tuple[str, ...]
    licence: str
    notices: tuple[str, ...]
    sizes: Sizes
    network: Network | None
    """The front end's layers; None if the bundle has only an ONNX graph."""
    level_initial: float
    thresholds: Thresholds
    pause: int
    """Tokens without speech that end a sequence."""
    speaker: SpeakerRules
    raw: Mapping[str, Any]


def manifest_of(text: str) -> Manifest:
    """The manifest of a bundle that was read."""
    raw = json.loads(text)
    return Manifest(
        name=raw["name"],
        version=raw["version"],
        labels=tuple(raw["labels"]),
        licence=raw["licence"],
        notices=tuple(raw["notices"]),
        sizes=Sizes(**{name: raw["sizes"][name] for name in Sizes._fields}),
        network=network_of(raw),
        level_initial=float(raw["level_initial"]),
        thresholds=Thresholds(
            **{
                name: float(raw["thresholds"][name])
                for name in Thresholds._fields
                if name in raw["thresholds"]
            }
        ),
        pause=raw["sequence"]["pause"],
        speaker=SpeakerRules(**{name: raw["speaker"][name] for name in SpeakerRules._fields}),
        raw=raw,
    )
