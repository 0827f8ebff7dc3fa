"""Invalid bundles, each with one fault: name, change to a valid bundle, expected message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto

from tests import toy
from tests.bundle import graphs
from tests.bundle.damage import (
    absurd_size,
    altered_manifest,
    bomb,
    deflated,
    encrypted,
    flipped,
    members_of,
    raw_manifest,
    raw_tensors,
    resealed,
    rewritten,
    shifted,
    twice,
    with_graph,
    with_graph_bytes,
    with_header,
    with_manifest,
    with_member,
    with_tensors,
    with_text,
    without,
    without_manifest_key,
)


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


def _weights_elsewhere(path: str, key: Callable[[int], bytes]) -> Callable[[bytes], bytes]:
    write = graphs.weights_of(path, key)
    return with_graph_bytes(lambda data: write(ModelProto.FromString(data)))


def _named(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda header: header.update({name: header.pop("head.bias")})


def _set(tensors: dict[str, np.ndarray], name: str, value: Any) -> None:
    tensors[name] = value


def _poison(tensors: dict[str, np.ndarray]) -> None:
    tensors["tacn.query"][1, 2, 3] = np.nan


ONLY_RUNNING_SHOWS = ("an unknown operator", "a shape that lies", "infinite weights")
"""Those that the reader accepts: only execution reveals the fault."""

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
    "a name of 60000 letters": (with_member("e" * 60_000, b"x"), r"'e{64}\.\.\.' does not belong"),
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
    "a byte order mark": (raw_manifest(b'\xef\xbb\xbf{"format": 2}'), "not valid JSON"),
    "a NUL after its end": (raw_manifest(b'{"format": 2}\0junk'), "not valid JSON"),
    "not UTF-8": (raw_manifest(b'{"name": "\xff"}'), "not valid JSON"),
    "nested too deeply": (raw_manifest(b"[" * 100_000), "nested deeper than 32"),
    "nested in a size": (
        with_text('"hop": 2048', '"hop": ' + "[" * 100_000 + "]" * 100_000),
        "nested deeper than 32",
    ),
    "a list for a size": (with_manifest("sizes", "hop", [1]), "sizes.hop must be.*not a list"),
    "nested where nobody looks": (
        with_text('"format": 2', '"format": 2, "more": ' + "[" * 100_000 + "]" * 100_000),
        "nested deeper than 32",
    ),
    "a size of 2^64": (
        with_text('"hop": 2048', f'"hop": {1 << 64}'),
        "sizes.hop must be a whole number",
    ),
    "a size of -2^63": (
        with_text('"hop": 2048', f'"hop": {-1 << 63}'),
        "sizes.hop must be a whole number",
    ),
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
    "nested brackets for a header": (raw_tensors(b"[" * 1_000_000), "nested deeper than 32"),
    "an enormous number in a header": (raw_tensors(b'{"a": 1e999}'), "holds 1e999, which is too"),
    "5000 digits in a shape": (
        raw_tensors(b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5_000 + b"]}}"),
        r"holds 9{40}\.\.\., which is too large",
    ),
    "sides that overflow": (
        raw_tensors(
            b'{"a": {"dtype": "F32", "shape": [%d, %d, %d], "data_offsets": [0, 0]}}'
            % ((1 << 32,) * 3)
        ),
        "shape must be a list of sizes that fit into the file",
    ),
    "an offset of 2^64": (
        raw_tensors(b'{"a": {"dtype": "F32", "shape": [], "data_offsets": [%d, 4]}}' % (1 << 64)),
        "data_offsets must be a list of sizes",
    ),
    "a tensor's name of 60000 letters": (
        with_header(_named("x" * 60_000)),
        "the name of a tensor has 60000 bytes; at most 256",
    ),
    "a type that moves the cursor": (
        with_header(lambda header: header["head.bias"].update(dtype="\x1b[2J")),
        r"head.bias is \?\[2J, not F32",
    ),
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
    "external data": (with_graph(graphs.external), "external data"),
    "weights elsewhere by padded keys": (
        _weights_elsewhere("secret", graphs.padded),
        "longer than it must be",
    ),
    "weights elsewhere by keys of five bytes": (
        _weights_elsewhere("secret", graphs.in_five_bytes),
        "field's number is out of range",
    ),
    "weights above": (
        _weights_elsewhere("../secret", graphs.varint),
        "external data",
    ),
    "weights at an absolute path": (
        _weights_elsewhere("/etc/passwd", graphs.varint),
        "external data",
    ),
    "external data in a branch": (
        with_graph(graphs.external_in_a_branch),
        "external data|a graph within the graph",
    ),
    "a loop": (with_graph(graphs.loop), "it has a Loop"),
    "a branch": (with_graph(graphs.branch), "a graph within the graph"),
    "a function": (with_graph(graphs.function), "it holds functions"),
    "a foreign operator": (with_graph(graphs.foreign), "Attention is of com.microsoft"),
    "too many operators": (with_graph(graphs.crowd), "more than 4096 operators"),
    "a sparse tensor": (with_graph(graphs.sparse), "a sparse tensor"),
    "an over-long key": (with_graph_bytes(graphs.long_varint), "longer than it must be"),
    "a key beyond 32 bits": (with_graph_bytes(graphs.wide_key), "out of range"),
    "an unknown field": (with_graph_bytes(lambda data: data + b"\xf8\x3f\1"), "field 1023 is none"),
    "two graphs": (with_graph_bytes(lambda data: data + b"\x3a\0"), "field 7 is there twice"),
    "another output": (with_graph(graphs.rename_output), "its outputs are shallow"),
    "one more input": (with_graph(graphs.extra_input), "its inputs are segment, level, extra"),
    "9000 more inputs": (
        with_graph(graphs.many_inputs),
        r"its inputs are segment, level, x0, x1, x2, x3, x4, x5, \.\.\.; they must be",
    ),
    "9000 more sides": (
        with_graph(graphs.many_sides),
        r"segment has shape \(batch, 4224, None, None, None, None, None, None, \.\.\.\)",
    ),
    "another width": (with_graph(graphs.wrong_width), r"segment has shape \(batch, 4000\)"),
    "a fixed batch": (with_graph(graphs.fixed_batch), r"segment has shape \(1, 4224\)"),
    "double precision": (with_graph(graphs.doubles), "level is not float32"),
    # what only running it shows
    "an unknown operator": (with_graph(graphs.unknown_operator), "ONNX Runtime .* refuses it"),
    "a shape that lies": (
        with_graph(graphs.lying_shape),
        "refuses it|comes out as|front end failed",
    ),
    "infinite weights": (with_graph(graphs.infinite), "is not finite|front end failed"),
}
