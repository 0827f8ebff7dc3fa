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
    """Samples that one token hears."""
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
    """M, tokens before its own that the gate hears."""

    @property
    def dilations(self) -> tuple[int, ...]:
        """1, 2, 4, … one for each layer."""
        return tuple(1 << n for n in range(self.layers))

    @property
    def receptive_tokens(self) -> int:
        """Number of tokens, its own included, that a frame can depend on."""
        return 1 + (self.taps - 1) * sum(self.dilations)


class Thresholds(NamedTuple):
    """Below either of the first two a frame has no label. Both are in [0, 1]."""

    speech: float
    confidence: float
    utterance: float = 0.0
    """Seconds of speech, in [0, 60], below which an utterance's verdict carries no label either."""


class SpeakerRules(NamedTuple):
    """Constants of the adaptation to a speaker; see docs/streaming.md."""

    adapt: bool
    """Whether streams adapt unless they are told."""
    prior: float
    """Utterances that the training's statistics are worth."""
    floor: float
    """Share of what was learned that counts for a speaker who never varied, in [0, 1]."""
    bound: float
    """Of the shift, in units of the training's deviation."""
    most: float
    """Utterances that the statistics remember."""
    shortest: int
    """Tokens of speech below which a sequence teaches nothing."""
    calibration: float
    """Utterances that a calibration is worth."""


class Manifest(NamedTuple):
    """A checked manifest. ``raw`` is the whole JSON object, with the training metadata."""

    name: str
    version: str
    labels: tuple[str, ...]
    licence: str
    notices: tuple[str, ...]
    sizes: Sizes
    network: Network | None
    """The front end's layers, if the bundle tells them."""
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
