"""Every entry of a bundle's JSON, replaced by a wrong value: refused by name, or harmless."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeser
from edgeser.bundle.reader import parse_bundle
from tests.bundle.damage import members_of, resealed, zipped

HOSTILE = (
    *("NaN", "-Infinity", "1e999", "1e308", "-1e308", "5e-324", "-0.0", "0", "-1", "1", "1.5"),
    *("9223372036854775808", "18446744073709551616", "9" * 400, "9" * 5_000, "0x10", "01", "+1"),
    *("true", "null", '""', '"\\u0000"', '"\\u001b[2J"', '"\\ud800"', '"\\u202e"'),
    *("[]", "{}", "[[1]]", '{"": null}', '"' + "x" * 70_000 + '"', "[" * 40 + "]" * 40),
)
"""As text, since parts are invalid JSON."""
HERE = "where it goes"


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every entry, containers and the whole too; of a list the first three."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:3]):
            yield from places(inner, (*at, number))


def replaced(value: Any, at: tuple[Any, ...], text: str) -> bytes:
    """The JSON with another value in one place."""
    if not at:
        return text.encode()
    changed = inner = copy.deepcopy(value)
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = HERE
    return json.dumps(changed).replace(f'"{HERE}"', text).encode()


def check(data: bytes, path: Path, what: str) -> bool:
    """Whether it is accepted, with numeric frames. Otherwise the error is one harmless line."""
    said = ""
    try:
        parse_bundle(data, graph=False)
        path.write_bytes(data)
        model = edgeser.load(path)
        sound = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
        frames = model.stream(16_000).process(sound)
    except edgeser.EdgeserError as error:
        said, frames = str(error), []
    assert said.isprintable(), what
    assert len(said) < 1_000, what
    for frame in frames:
        numbers = (frame.level, frame.speech, frame.confidence, *frame.probabilities.values())
        assert np.isfinite(numbers).all(), what
    return not said


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_of_the_manifest(toy_path: Path, tmp_path: Path, text: str) -> None:
    members = members_of(toy_path.read_bytes())
    manifest = json.loads(members["manifest.json"])
    everywhere = [*places(manifest)]
    taken = [
        at
        for at in everywhere
        if check(
            zipped([*{**members, "manifest.json": replaced(manifest, at, text)}.items()]),
            tmp_path / "odd.edgeser",
            f"{at} is {text[:40]}",
        )
    ]
    assert len(taken) < len(everywhere) / 2  # 1 does in many places, and some nobody reads


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_of_the_tensors(toy_path: Path, tmp_path: Path, text: str) -> None:
    members = members_of(toy_path.read_bytes())
    data = members["kernels.safetensors"]
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    for at in [*places(header)][:40]:
        changed = replaced(header, at, text)
        packed = struct.pack("<Q", len(changed)) + changed + data[8 + length :]
        odd = resealed({**members, "kernels.safetensors": packed})
        check(odd, tmp_path / "odd.edgeser", f"{at} is {text[:40]}")
