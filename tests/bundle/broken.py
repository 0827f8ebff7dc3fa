"""Bundles that are wrong in one way each: a name, what is done to a good one, what is said."""

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
from onnx import ModelProto, TensorProto, external_data_helper, helper, numpy_helper
from safetensors.numpy import load, save

from tests import toy

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
    """A bundle whose hashes all fit: what someone would make who means harm."""
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
    """The table of contents claims three gigabytes for a member that has a few bytes."""
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


def with_graph_bytes(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def break_it(bundle: bytes) -> bytes:
        members = members_of(bundle)
        return resealed({**members, "frontend.onnx": change(members["frontend.onnx"])})

    return break_it


def shifted(bundle: bytes) -> bytes:
    """Bytes put before everything, with all places in the zip moved along."""
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


def _overlap(header: dict[str, Any]) -> None:
    header["vq.bias"]["data_offsets"] = header["tacn.bias"]["data_offsets"]
    header["vq.bias"]["shape"] = header["tacn.bias"]["shape"]


def _gap(header: dict[str, Any]) -> None:
    del header["head.bias"]  # the first of the file, whose bytes nobody claims now


def _long_header(header: dict[str, Any]) -> None:
    header["__metadata__"] = {"padding": "x" * (2 << 20)}


def _deep_header(header: dict[str, Any]) -> None:
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    header["__metadata__"] = deep


def _named(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda header: header.update({name: header.pop("head.bias")})


def _loop(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["x"]))


def _branch(model: ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [])
    model.graph.node.append(
        helper.make_node("If", ["level"], ["x"], then_branch=branch, else_branch=branch)
    )


def _function(model: ModelProto) -> None:
    model.functions.append(helper.make_function("a", "f", [], [], [], []))


def _foreign(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Attention", [], ["x"], domain="com.microsoft"))


def _crowd(model: ModelProto) -> None:
    model.graph.node.extend(helper.make_node("Relu", ["level"], [f"x{n}"]) for n in range(5_000))


def _sparse(model: ModelProto) -> None:
    tensor = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [0]),
        [1 << 40],
    )
    model.graph.sparse_initializer.append(tensor)


def _long_varint(data: bytes) -> bytes:
    """The first field's key, IR version, written in two bytes where one would do."""
    return bytes([data[0] | 0x80, 0]) + data[1:]


def _wide_key(data: bytes) -> bytes:
    """The same in five bytes with bit 32 set, which some parsers drop."""
    return bytes([data[0] | 0x80, 0x80, 0x80, 0x80, 0x10]) + data[1:]


def _set(tensors: dict[str, np.ndarray], name: str, value: Any) -> None:
    tensors[name] = value


def _poison(tensors: dict[str, np.ndarray]) -> None:
    tensors["tacn.query"][1, 2, 3] = np.nan


def _external(model: ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "to_deep")
    external_data_helper.set_external_data(tensor, "../../etc/passwd")


def _external_in_a_branch(model: ModelProto) -> None:
    hidden = numpy_helper.from_array(np.zeros(1, np.float32), "hidden")
    external_data_helper.set_external_data(hidden, "weights.bin")
    node = helper.make_node("Constant", [], ["unused"], value=hidden)
    branch = helper.make_graph([node], "branch", [], [])
    model.graph.node.append(
        helper.make_node("If", ["level"], ["x"], then_branch=branch, else_branch=branch)
    )


def _rename_output(model: ModelProto) -> None:
    model.graph.output[0].name = "shallow"


def _extra_input(model: ModelProto) -> None:
    value = helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["batch"])
    model.graph.input.append(value)


def _wrong_width(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4_000


def _fixed_batch(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def _doubles(model: ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.DOUBLE


def _unknown_operator(model: ModelProto) -> None:
    model.graph.node[0].op_type = "Telepathy"


def _lying_shape(model: ModelProto) -> None:
    """Declared as the manifest has it, but another width comes out."""
    for initializer in model.graph.initializer:
        if initializer.name == "to_deep":
            rows = initializer.dims[0]
            narrow = helper.make_tensor("to_deep", TensorProto.FLOAT, [rows, 20], [0.0] * rows * 20)
            initializer.CopyFrom(narrow)


def _infinite(model: ModelProto) -> None:
    for initializer in model.graph.initializer:
        if initializer.name == "waves":
            count = int(np.prod(initializer.dims))
            values = helper.make_tensor(
                "waves", TensorProto.FLOAT, initializer.dims, [np.inf] * count
            )
            initializer.CopyFrom(values)


ONLY_RUNNING_SHOWS = ("an unknown operator", "a shape that lies", "infinite weights")
"""Which of these the reader lets pass: their graphs must be executed."""

BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    # the file
    "empty": (lambda _: b"", "not a bundle"),
    "text": (lambda _: b"hello" * 100, "not a bundle"),
    "cut in the middle": (lambda bundle: bundle[: len(bundle) // 2], "cut short"),
    "cut at the end": (lambda bundle: bundle[:-5], "not a bundle|cut short|zip comment"),
    "head missing": (lambda bundle: bundle[100:], "manifest.json|not a bundle"),
    # the table of contents
    "no manifest": (without("manifest.json"), "manifest.json is missing"),
    "no front end": (without("frontend.onnx"), "frontend.onnx is missing"),
    "no kernels": (without("kernels.safetensors"), "kernels.safetensors is missing"),
    "one more": (with_member("setup.py", b"print()"), "'setup.py' does not belong"),
    "a path upwards": (with_member("../evil", b"x"), "does not belong"),
    "an absolute path": (with_member("/etc/evil", b"x"), "does not belong"),
    "a folder": (with_member("manifest.json/", b""), "does not belong"),
    "the same twice": (twice("kernels.safetensors"), "there twice"),
    "compressed": (deflated, "is compressed"),
    "a bomb": (bomb, "is compressed"),
    "an absurd size": (absurd_size, "claims more bytes"),
    "something before it": (shifted, "its ends were cut off or added to"),
    "encrypted": (encrypted, "encrypted"),
    "a huge manifest": (raw_manifest(b" " * (2 << 20)), r"manifest.json has 2097152 bytes"),
    # contents that were changed
    "a flipped bit": (flipped("kernels.safetensors"), "kernels.safetensors was altered"),
    "a rewritten member": (rewritten("kernels.safetensors"), "altered"),
    "a rewritten front end": (rewritten("frontend.onnx"), "frontend.onnx was altered"),
    "a longer member": (with_member("kernels.safetensors", bytes(10**6)), "at most"),
    "a shorter member": (with_member("kernels.safetensors", b"x"), "has 1 bytes"),
    "an altered manifest": (altered_manifest, "zip comment"),
    # the manifest
    "not JSON": (raw_manifest(b"{"), "not valid JSON"),
    "not UTF-8": (raw_manifest(b'{"name": "\xff"}'), "not valid JSON"),
    "nested too deeply": (raw_manifest(b"[" * 100_000), "nested deeper than 32"),
    "nested in a size": (
        with_text('"hop": 2048', '"hop": ' + "[" * 100_000 + "]" * 100_000),
        "nested deeper than 32",
    ),
    "a list for a size": (with_manifest("sizes", "hop", [1]), "sizes.hop must be.*not a list"),
    "an enormous number": (with_text("-1000.0", "-1e999"), "holds -1e999, which is too large"),
    "5000 digits": (with_text("-1000.0", "9" * 5_000), r"holds 9{40}\.\.\., which is too large"),
    "300 digits": (
        with_text('"hop": 2048', '"hop": ' + "9" * 300),
        "sizes.hop must be a whole number",
    ),
    "half a character": (with_text('"toy"', '"\\ud800"'), "not valid JSON"),
    "a list": (raw_manifest(b"[]"), "must be a JSON object"),
    "a key twice": (raw_manifest(b'{"format": 2, "format": 2}'), "same key twice"),
    "a newer format": (with_manifest("format", 3), "made by a newer edgeser.*upgrade"),
    "an older format": (with_manifest("format", 1), "made by an older edgeser.*export it again"),
    "no format": (without_manifest_key("format"), "format must be"),
    "format true": (with_manifest("format", True), "format must be"),
    "no name": (without_manifest_key("name"), "name must be"),
    "one label": (with_manifest("labels", ["joy"]), "at least 2"),
    "equal labels": (with_manifest("labels", ["joy", "joy", "a", "b"]), "different"),
    "labels as text": (with_manifest("labels", "joy"), "list of strings"),
    "another number of labels": (with_manifest("labels", ["a", "b", "c"]), "head.weight has shape"),
    "65 labels": (with_manifest("labels", [str(n) for n in range(65)]), "2 to 64 different"),
    "a long label": (with_manifest("labels", 0, "x" * 65), "at most 64 bytes"),
    "a label that clears the screen": (
        with_manifest("labels", 0, "\x1b[2J"),
        r"labels\[0\] has a control character, at byte 0",
    ),
    "a name with a NUL": (with_manifest("name", "toy\0evil"), "name has a control character"),
    "a notice that turns around": (with_manifest("notices", ["\u202e"]), r"notices\[0\] has a"),
    "a C1 character": (with_manifest("licence", "\x9b31m"), "licence has a control character"),
    "a long name": (with_manifest("name", "x" * 300), "name has 300 bytes; at most 256"),
    "no sizes": (without_manifest_key("sizes"), "sizes must be an object"),
    "a negative size": (with_manifest("sizes", "hop", -1), "sizes.hop must be"),
    "a fractional size": (with_manifest("sizes", "hop", 2048.5), "sizes.hop must be"),
    "an absurd width": (with_manifest("sizes", "width", 10**9), "sizes.width must be"),
    "one tap": (with_manifest("sizes", "taps", 1), "sizes.taps must be a whole number from 2 to 8"),
    "too wide for the kernels": (with_manifest("sizes", "width", 520), "from 1 to 512"),
    "too long a past": (
        with_manifest(
            "sizes",
            {**toy.manifest()["sizes"], "layers": 16, "taps": 8, "width": 512},
        ),
        "bytes a stream; at most",
    ),
    "no gate": (with_manifest("sizes", "gate_hidden", 0), "sizes.gate_hidden must be"),
    "a gate of no end": (with_manifest("sizes", "gate_memory", 17), "from 0 to 16, not 17"),
    "no sequence": (without_manifest_key("sequence"), "sequence must be an object, and is missing"),
    "no pause": (with_manifest("sequence", "pause", 0), "sequence.pause must be"),
    "no speaker": (without_manifest_key("speaker"), "speaker must be an object"),
    "adapt as a number": (with_manifest("speaker", "adapt", 1), "speaker.adapt must be true or"),
    "a prior of 0": (with_manifest("speaker", "prior", 0), "speaker.prior must be a number"),
    "a floor of 2": (with_manifest("speaker", "floor", 2), "speaker.floor must be a number from 0"),
    "half a token": (with_manifest("speaker", "shortest", 3.5), "speaker.shortest must be"),
    "an hour of speech": (
        with_manifest("thresholds", "utterance", 3600),
        "thresholds.utterance must be a number from 0 to 60",
    ),
    "hop beyond segment": (with_manifest("sizes", "hop", 9_999), "must not exceed"),
    "heads that do not divide": (with_manifest("sizes", "heads", 7), "multiple of sizes.heads"),
    "a threshold of 2": (with_manifest("thresholds", "speech", 2.0), "thresholds.speech"),
    "a threshold of NaN": (
        with_manifest("thresholds", "speech", float("nan")),
        "holds NaN, which is no number",
    ),
    "a threshold as text": (
        with_manifest("thresholds", "confidence", "0"),
        "thresholds.confidence",
    ),
    "no initial level": (without_manifest_key("level_initial"), "level_initial"),
    "no hashes": (with_manifest("members", {}), "members must be exactly"),
    "a strange hash": (
        with_manifest("members", "frontend.onnx", "sha256", "f00"),
        "must be 64 hex digits",
    ),
    # the tensors
    "garbage for tensors": (
        lambda bundle: resealed({**members_of(bundle), "kernels.safetensors": b"x" * 99}),
        "kernels.safetensors cannot be read",
    ),
    "a missing tensor": (with_tensors(lambda t: t.clear()), "is missing"),
    "an extra tensor": (
        with_tensors(lambda t: _set(t, "more", np.zeros(1, np.float32))),
        "more does not belong",
    ),
    "a wrong shape": (
        with_tensors(lambda t: _set(t, "vq.codebook", np.zeros((8, 16), np.float32))),
        r"vq.codebook has shape \(8, 16\).*\(16, 8\)",
    ),
    "a wrong dtype": (
        with_tensors(lambda t: _set(t, "vq.bias", t["vq.bias"].astype(np.float64))),
        "vq.bias is F64, not F32",
    ),
    "a deviation of 0": (
        with_tensors(lambda t: _set(t, "speaker.deviation", np.zeros(32, np.float32))),
        "speaker.deviation must be above 0",
    ),
    "nobody differs": (
        with_tensors(lambda t: _set(t, "speaker.between", np.zeros(32, np.float32))),
        "speaker.between must be above 0",
    ),
    "overlapping tensors": (with_header(_overlap), "overlap with another|gap before its bytes"),
    "a gap between tensors": (with_header(_gap), "there is a gap before its bytes"),
    "a long header": (with_header(_long_header), "its header is too long"),
    "a deep header": (with_header(_deep_header), "nested deeper than 32"),
    "a tensor's name that is none": (
        with_header(_named("\x1b[31m")),
        "the name of a tensor has a control character",
    ),
    "NaN in a tensor": (with_tensors(_poison), "tacn.query holds NaN"),
    # the graph
    "garbage for a graph": (
        lambda bundle: resealed({**members_of(bundle), "frontend.onnx": b"\xff" * 99}),
        "not a readable ONNX model",
    ),
    "external data": (with_graph(_external), "external data"),
    "external data in a branch": (
        with_graph(_external_in_a_branch),
        "external data|a graph within the graph",
    ),
    "a loop": (with_graph(_loop), "it has a Loop"),
    "a branch": (with_graph(_branch), "a graph within the graph"),
    "a function": (with_graph(_function), "it holds functions"),
    "a foreign operator": (with_graph(_foreign), "Attention is of com.microsoft"),
    "too many operators": (with_graph(_crowd), "more than 4096 operators"),
    "a sparse tensor": (with_graph(_sparse), "a sparse tensor"),
    "an over-long key": (with_graph_bytes(_long_varint), "longer than it must be"),
    "a key beyond 32 bits": (with_graph_bytes(_wide_key), "out of range"),
    "an unknown field": (with_graph_bytes(lambda data: data + b"\xf8\x3f\1"), "field 1023 is none"),
    "two graphs": (with_graph_bytes(lambda data: data + b"\x3a\0"), "field 7 is there twice"),
    "another output": (with_graph(_rename_output), "its outputs are shallow"),
    "one more input": (with_graph(_extra_input), "its inputs are segment, level, extra"),
    "another width": (with_graph(_wrong_width), r"segment has shape \(batch, 4000\)"),
    "a fixed batch": (with_graph(_fixed_batch), r"segment has shape \(1, 4224\)"),
    "double precision": (with_graph(_doubles), "level is not float32"),
    # what only running it shows
    "an unknown operator": (with_graph(_unknown_operator), "ONNX Runtime .* refuses it"),
    "a shape that lies": (with_graph(_lying_shape), "refuses it|comes out as|front end failed"),
    "infinite weights": (with_graph(_infinite), "is not finite|front end failed"),
}
