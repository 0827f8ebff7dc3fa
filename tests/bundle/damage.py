"""Ways to change a good bundle: its zip, its manifest, its tensors, its graph."""

from __future__ import annotations

import hashlib
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from onnx import ModelProto
from safetensors.numpy import load, save

Members = dict[str, bytes]


def members_of(bundle: bytes) -> Members:
    """Name to contents."""
    with zipfile.ZipFile(BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: list[tuple[str, bytes]], *, comment: bytes | None = None, **how: Any) -> bytes:
    """A zip of ``members``; its comment vouches for whatever manifest is among them."""
    buffer = BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # that a name is there twice is what we want
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, **how)
        if comment is None:
            digest = hashlib.sha256(dict(members).get("manifest.json", b"")).hexdigest()
            comment = f"edgeser sha256:{digest}".encode()
        archive.comment = comment
    return buffer.getvalue()


def resealed(members: Members) -> bytes:
    """A malicious bundle with valid hashes."""
    manifest = json.loads(members["manifest.json"])
    for name in ("frontend.onnx", "kernels.safetensors"):
        data = members[name]
        digest = hashlib.sha256(data).hexdigest()
        manifest["members"][name] = {"bytes": len(data), "sha256": digest}
    return zipped([*{**members, "manifest.json": json.dumps(manifest).encode()}.items()])


def with_manifest(*path: Any) -> Callable[[bytes], bytes]:
    """Set the manifest's entry at ``path[:-2]``, key ``path[-2]``, to ``path[-1]``."""
    *outer, key, value = path

    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        manifest = json.loads(members["manifest.json"])
        place = manifest
        for step in outer:
            place = place[step]
        place[key] = value
        return zipped([*{**members, "manifest.json": json.dumps(manifest).encode()}.items()])

    return break_it


def without_manifest_key(key: str) -> Callable[[bytes], bytes]:
    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        manifest = json.loads(members["manifest.json"])
        del manifest[key]
        return zipped([*{**members, "manifest.json": json.dumps(manifest).encode()}.items()])

    return break_it


def with_tensors(change: Callable[[dict[str, np.ndarray]], None]) -> Callable[[bytes], bytes]:
    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        tensors = load(members["kernels.safetensors"])
        change(tensors)
        return resealed({**members, "kernels.safetensors": save(tensors)})

    return break_it


def with_graph(change: Callable[[ModelProto], None]) -> Callable[[bytes], bytes]:
    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        model = ModelProto.FromString(members["frontend.onnx"])
        change(model)
        return resealed({**members, "frontend.onnx": model.SerializeToString()})

    return break_it


def with_member(name: str, data: bytes) -> Callable[[bytes], bytes]:
    """Add a member, or replace one, leaving the manifest as it was."""
    return lambda bundle: zipped([*{**members_of(bundle), name: data}.items()])


def raw_manifest(text: bytes) -> Callable[[bytes], bytes]:
    return with_member("manifest.json", text)


def without(name: str) -> Callable[[bytes], bytes]:
    return lambda bundle: zipped([m for m in members_of(bundle).items() if m[0] != name])


def twice(name: str) -> Callable[[bytes], bytes]:
    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        return zipped([*members.items(), (name, members[name])])

    return break_it


def flipped(name: str) -> Callable[[bytes], bytes]:
    """One bit of a member changed in place, as a bad disk would: the zip's CRC notices."""

    def break_it(bundle: bytes) -> bytes:
        at = bundle.index(members_of(bundle)[name][-64:]) + 30
        return bundle[:at] + bytes([bundle[at] ^ 1]) + bundle[at + 1 :]

    return break_it


def rewritten(name: str) -> Callable[[bytes], bytes]:
    """One bit of a member changed and zipped again: only the SHA-256 notices."""

    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        data = bytearray(members[name])
        data[-30] ^= 1
        return zipped([*{**members, name: bytes(data)}.items()])

    return break_it


def altered_manifest(bundle: bytes) -> bytes:
    members = members_of(bundle)
    with zipfile.ZipFile(BytesIO(bundle)) as archive:
        comment = archive.comment
    changed = members["manifest.json"].replace(b'"toy"', b'"toi"')
    return zipped([*{**members, "manifest.json": changed}.items()], comment=comment)


def deflated(bundle: bytes) -> bytes:
    return zipped([*members_of(bundle).items()], compress_type=zipfile.ZIP_DEFLATED)


def bomb(bundle: bytes) -> bytes:
    members = {**members_of(bundle), "kernels.safetensors": bytes(200 << 20)}
    return zipped([*members.items()], compress_type=zipfile.ZIP_DEFLATED)


def absurd_size(bundle: bytes) -> bytes:
    """The zip directory claims three gigabytes for a member of a few bytes."""
    members = members_of(bundle)
    with zipfile.ZipFile(BytesIO(bundle)) as archive:
        size = archive.getinfo("kernels.safetensors").file_size
    at = bundle.rindex(b"PK\1\2")  # the last entry of the central directory
    assert len(members["kernels.safetensors"]) == size
    sizes = struct.pack("<II", 3 << 30, 3 << 30)
    return bundle[: at + 20] + sizes + bundle[at + 28 :]


def encrypted(bundle: bytes) -> bytes:
    at = bundle.rindex(b"PK\1\2")
    flags = struct.unpack_from("<H", bundle, at + 8)[0] | 1
    return bundle[: at + 8] + struct.pack("<H", flags) + bundle[at + 10 :]


def with_text(before: str, after: str) -> Callable[[bytes], bytes]:
    """Replace a piece of the manifest's text, which need not be JSON afterwards."""

    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        text = json.dumps(json.loads(members["manifest.json"]))
        assert before in text
        return zipped([*{**members, "manifest.json": text.replace(before, after).encode()}.items()])

    return break_it


def with_header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Change the JSON header of the tensors, leaving their data."""

    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        data = members["kernels.safetensors"]
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        change(header)
        text = json.dumps(header).encode()
        packed = struct.pack("<Q", len(text)) + text + data[8 + length :]
        return resealed({**members, "kernels.safetensors": packed})

    return break_it


def raw_tensors(header: bytes, data: bytes = b"") -> Callable[[bytes], bytes]:
    """Replace the tensors by a header, which need not be JSON, and data."""
    packed = struct.pack("<Q", len(header)) + header + data
    return lambda bundle: resealed({**members_of(bundle), "kernels.safetensors": packed})


def with_graph_bytes(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        return resealed({**members, "frontend.onnx": change(members["frontend.onnx"])})

    return break_it


def shifted(bundle: bytes) -> bytes:
    """Bytes put before the zip, with all offsets adjusted."""
    moved = bytearray(b"#!/bin/sh\n" + bundle)
    end = moved.rindex(b"PK\5\6")
    count, begin = struct.unpack_from("<H", moved, end + 10)[0], 10
    at = struct.unpack_from("<I", moved, end + 16)[0] + begin
    struct.pack_into("<I", moved, end + 16, at)
    for _ in range(count):
        place = struct.unpack_from("<I", moved, at + 42)[0]
        struct.pack_into("<I", moved, at + 42, place + begin)
        name, extra, comment = struct.unpack_from("<HHH", moved, at + 28)
        at += 46 + name + extra + comment
    return bytes(moved)
