"""The index of compiled kernels; changed files are refused."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeser.backends.cuda.index import (
    INDEX,
    KERNELS,
    Argument,
    Index,
    Kernel,
    Variant,
    fastest,
    read_index,
    write_index,
)
from edgeser.errors import BackendError

CODE = b"not really code"


def variant(target: str = "sm_80", precision: str = "fp32", rows: int = 1) -> Variant:
    return Variant(
        precision=precision,
        target=target,
        file=f"{precision}-{target}-{rows}.cubin",
        symbol="kernel",
        block_rows=rows,
        warps=4,
        shared_bytes=1024,
        sha256=hashlib.sha256(CODE).hexdigest(),
        bytes=len(CODE),
    )


def kernel(name: str, *variants: Variant) -> Kernel:
    arguments = (Argument("tokens", "*fp32"), Argument("count", "i32"), Argument("scratch", "null"))
    return Kernel(name, arguments, {"WIDTH": 64, "DILATIONS": (1, 2)}, variants or (variant(),))


@pytest.fixture
def index(tmp_path: Path) -> Index:
    kernels = {name: kernel(name) for name in KERNELS}
    made = Index(tmp_path, "0" * 64, {"width": 64}, "3.6.0", kernels)
    write_index(made)
    for k in kernels.values():
        for v in k.variants:
            (tmp_path / v.file).write_bytes(CODE)
    return made


def test_reads_what_was_written(index: Index) -> None:
    read = read_index(index.folder)
    assert read == index
    assert read.read(read.kernels["tacn_step"].variants[0]) == CODE


@pytest.mark.parametrize("data", [CODE[:-1], CODE + b"!", b"Not really code"])
def test_refuses_an_altered_file(index: Index, data: bytes) -> None:
    one = index.kernels["tacn_step"].variants[0]
    (index.folder / one.file).write_bytes(data)
    with pytest.raises(BackendError, match=one.file):
        index.read(one)


def test_says_what_is_missing(index: Index) -> None:
    one = index.kernels["tacn_step"].variants[0]
    (index.folder / one.file).unlink()
    with pytest.raises(BackendError, match="no such file"):
        index.read(one)
    (index.folder / INDEX).unlink()
    with pytest.raises(BackendError, match="no such file"):
        read_index(index.folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format"], 2),
        (["format"], True),
        (["model"], "abc"),
        (["sizes", "width"], 0),
        (["triton"], None),
        (["kernels", "tacn_step"], []),
        (["kernels", "other"], {}),
        (["kernels", "tacn_step", "arguments"], []),
        (["kernels", "tacn_step", "arguments", 0, "type"], "*fp64"),
        (["kernels", "tacn_step", "variants", 0, "file"], "../secret"),
        (["kernels", "tacn_step", "variants", 0, "file"], "/etc/passwd"),
        (["kernels", "tacn_step", "variants", 0, "file"], ".."),
        (["kernels", "tacn_step", "variants", 0, "file"], "a\\b"),
        (["kernels", "tacn_step", "variants", 0, "target"], "sm_x"),
        (["kernels", "tacn_step", "variants", 0, "precision"], "int8"),
        (["kernels", "tacn_step", "variants", 0, "warps"], 33),
        (["kernels", "tacn_step", "variants", 0, "shared_bytes"], -1),
        (["kernels", "tacn_step", "variants", 0, "bytes"], 1.5),
        (["kernels", "tacn_step", "variants", 0, "sha256"], "0"),
    ],
)
def test_refuses_what_cannot_be(index: Index, path: list[Any], value: object) -> None:
    file = index.folder / INDEX
    raw = at = json.loads(file.read_text())
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    file.write_text(json.dumps(raw))
    with pytest.raises(BackendError, match=INDEX):
        read_index(index.folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\udcff", "9" * 5_000])
def test_refuses_what_is_no_index(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BackendError, match=INDEX):
        read_index(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
def test_what_is_no_plain_file_is_not_waited_for(index: Index) -> None:
    one = index.kernels["tacn_step"].variants[0]
    for name, read in (
        (one.file, lambda: index.read(one)),
        (INDEX, lambda: read_index(index.folder)),
    ):
        place = index.folder / name
        place.unlink()
        os.mkfifo(place)
        with pytest.raises(BackendError, match="not a regular file"):
            read()
        place.unlink()
        place.symlink_to("/dev/zero")
        with pytest.raises(BackendError, match="not a regular file"):
            read()


@pytest.mark.parametrize(
    ("capability", "target"),
    [
        ((8, 0), "sm_80"),
        ((8, 6), "sm_86"),
        ((8, 7), "sm_87"),
        ((8, 9), "sm_86"),
        ((8, 8), "sm_86"),
        ((9, 0), "sm_90"),
        ((10, 0), "ptx_80"),
        ((12, 1), "ptx_80"),
    ],
)
def test_chooses_what_a_device_can_run(capability: tuple[int, int], target: str) -> None:
    targets = ("sm_80", "sm_86", "sm_87", "sm_90", "sm_120", "ptx_80")
    made = kernel("tacn_step", *(variant(t, rows=r) for t in targets for r in (16, 1)))
    found = made.variants_for("fp32", capability)
    assert [v.target for v in found] == [target, target]
    assert [v.block_rows for v in found] == [1, 16]


@pytest.mark.parametrize(("precision", "capability"), [("fp16", (8, 0)), ("fp32", (7, 5))])
def test_says_when_nothing_fits(precision: str, capability: tuple[int, int]) -> None:
    made = kernel("tacn_step", variant("sm_80"), variant("sm_87"), variant("ptx_80"))
    with pytest.raises(BackendError, match="edgeser compile"):
        made.variants_for(precision, capability)


def test_code_for_a_jetson_runs_on_no_card() -> None:
    with pytest.raises(BackendError):
        kernel("tacn_step", variant("sm_87")).variants_for("fp32", (8, 9))


def test_larger_batches_take_more_rows_a_program() -> None:
    variants = (variant(rows=1), variant(rows=16), variant(rows=64))
    assert [fastest(variants, rows, 132).block_rows for rows in (1, 132, 133, 2113, 99_999)] == [
        1,
        1,
        16,
        64,
        64,
    ]


def test_holds_sizes_against_the_models(index: Index) -> None:
    index.check_sizes({"width": 64})
    with pytest.raises(BackendError, match="width 64, and the model has 32"):
        index.check_sizes({"width": 32})
    with pytest.raises(BackendError, match="taps"):
        index.check_sizes({"width": 64, "taps": 3})
