"""``manifest.json``: what a bundle says about itself, checked value by value before use."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from edgeser.bundle.network import Network, parse_network
from edgeser.errors import BundleError

FORMAT = 1
"""The newest bundle format that this edgeser reads, and the one that it writes."""

MEMBERS = ("frontend.onnx", "kernels.safetensors")
"""The members that a manifest vouches for, in the order in which they lie in the file."""

_SIZE_RANGES: dict[str, tuple[int, int]] = {
    "sample_rate": (8_000, 48_000),
    "segment": (64, 1 << 20),
    "hop": (16, 1 << 20),
    "deep": (1, 4096),
    "positions": (1, 1024),
    "code_width": (1, 1024),
    "codes": (1, 1 << 16),
    "width": (1, 2048),
    "layers": (1, 16),
    "heads": (1, 64),
    "taps": (1, 16),
}


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

    @property
    def dilations(self) -> tuple[int, ...]:
        """1, 2, 4, … one for each layer."""
        return tuple(1 << n for n in range(self.layers))

    @property
    def receptive_tokens(self) -> int:
        """Tokens, its own among them, that a frame can depend on."""
        return 1 + (self.taps - 1) * sum(self.dilations)


class Thresholds(NamedTuple):
    """Below either of these a frame carries no label. Both lie in [0, 1]."""

    speech: float
    confidence: float
    utterance: float = 0.0
    """Seconds of speech, in [0, 60], below which an utterance's verdict carries no label either."""


class Manifest(NamedTuple):
    """A checked manifest. ``raw`` is the whole JSON object, training facts included."""

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
    members: Mapping[str, tuple[int, str]]
    """Member name to (bytes, SHA-256 in hex)."""
    raw: Mapping[str, Any]


def parse_manifest(data: bytes) -> Manifest:
    """Check the bytes of a ``manifest.json`` and return what they say.

    Raises:
        BundleError: for the first thing that is wrong, by name.
    """
    try:
        raw = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_duplicate_keys,
            parse_constant=_no_constant,
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"manifest.json is not valid JSON ({error})") from None
    return check_manifest(raw)


def check_manifest(raw: object) -> Manifest:
    """Check a decoded manifest; the errors are those of :func:`parse_manifest`."""
    if not isinstance(raw, dict):
        raise BundleError("manifest.json must be a JSON object")
    _check_format(raw)
    labels = _strings(raw, "labels", at_least=2)
    if len(set(labels)) != len(labels) or len(labels) > 64 or not all(labels):
        raise BundleError("manifest.json: labels must be 2 to 64 different, non-empty names")
    return Manifest(
        name=_string(raw, "name"),
        version=_string(raw, "version"),
        labels=labels,
        licence=_string(raw, "licence"),
        notices=_strings(raw, "notices", at_least=0),
        sizes=_sizes(raw),
        network=parse_network(raw),
        level_initial=_number(raw, "level_initial", -1e6, 0.0),
        thresholds=_thresholds(raw),
        members=_members(raw),
        raw=raw,
    )


def _check_format(raw: Mapping[str, Any]) -> None:
    number = raw.get("format")
    if type(number) is not int or number < 1:
        raise BundleError("manifest.json: format must be a whole number from 1")
    if number > FORMAT:
        raise BundleError(
            f"this bundle has format {number}, made by a newer edgeser; "
            f"this one reads up to {FORMAT}: upgrade edgeser"
        )


def _sizes(raw: Mapping[str, Any]) -> Sizes:
    table = _object(raw, "sizes")
    values: dict[str, int] = {}
    for name, (low, high) in _SIZE_RANGES.items():
        value = table.get(name)
        if type(value) is not int or not low <= value <= high:
            raise BundleError(
                f"manifest.json: sizes.{name} must be a whole number from {low} to {high}, "
                f"not {value!r}"
            )
        values[name] = value
    sizes = Sizes(**values)
    if sizes.hop > sizes.segment:
        raise BundleError("manifest.json: sizes.hop must not exceed sizes.segment")
    if sizes.width % sizes.heads:
        raise BundleError("manifest.json: sizes.width must be a multiple of sizes.heads")
    return sizes


def _thresholds(raw: Mapping[str, Any]) -> Thresholds:
    table = _object(raw, "thresholds")
    return Thresholds(
        speech=_number(table, "speech", 0.0, 1.0, inside="thresholds."),
        confidence=_number(table, "confidence", 0.0, 1.0, inside="thresholds."),
        utterance=_number({"utterance": 0.0, **table}, "utterance", 0.0, 60.0, "thresholds."),
    )


def _members(raw: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    table = _object(raw, "members")
    if set(table) != set(MEMBERS):
        raise BundleError(f"manifest.json: members must be exactly {' and '.join(MEMBERS)}")
    members: dict[str, tuple[int, str]] = {}
    for name in MEMBERS:
        entry = _object(table, name, inside="members.")
        size, digest = entry.get("bytes"), entry.get("sha256")
        if type(size) is not int or size < 1:
            raise BundleError(f"manifest.json: members.{name}.bytes must be a whole number from 1")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise BundleError(f"manifest.json: members.{name}.sha256 must be 64 hex digits")
        members[name] = (size, digest)
    return members


def _no_constant(name: str) -> None:
    raise BundleError(f"manifest.json holds {name}, which is no number")


def _no_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise BundleError("manifest.json has the same key twice in one object")
    return table


def _object(raw: Mapping[str, Any], key: str, inside: str = "") -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, dict):
        raise BundleError(f"manifest.json: {inside}{key} must be an object")
    return value


def _string(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value:
        raise BundleError(f"manifest.json: {key} must be a non-empty string")
    return value


def _strings(raw: Mapping[str, Any], key: str, at_least: int) -> tuple[str, ...]:
    value = raw.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BundleError(f"manifest.json: {key} must be a list of strings")
    if len(value) < at_least:
        raise BundleError(f"manifest.json: {key} must have at least {at_least} entries")
    return tuple(value)


def _number(raw: Mapping[str, Any], key: str, low: float, high: float, inside: str = "") -> float:
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BundleError(f"manifest.json: {inside}{key} must be a number")
    if not math.isfinite(value) or not low <= value <= high:
        raise BundleError(f"manifest.json: {inside}{key} must be a number from {low} to {high}")
    return float(value)
