"""The bundled model's kernels, compiled for GPU targets and inspected, without a GPU.

Compiling takes minutes, so two targets of each precision are compiled, and the files of the others
are read as they ship. ``EDGESER_TEST_TARGETS=all`` compiles for every target.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgeser.backends.cuda.index import INDEX, Index, Variant, read_index
from edgeser.backends.cuda.shapes import PRECISIONS, kernel_sizes
from edgeser.backends.cuda.targets import PTX, TARGETS, resolve
from edgeser.backends.cuda.triton.launch import CONFIGURATIONS
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE, kernels_folder
from edgeser.errors import BackendError

pytest.importorskip("triton")

from edgeser.backends.cuda.triton.compile import FUNCTIONS, compile_bundle, constants

DESKTOP_SHARED_BYTES = 99 << 10
"""Limit of a program on compute capability 8.6, 8.9 and 12.0."""
LEFT_OUT = {
    *(("tacn_step", "fp32", target, 32) for target in resolve(TARGETS)),
    *(("tacn_step", precision, "sm_90", 32) for precision in ("fp16", "bf16")),
}
"""Known register spills, by kernel, precision, target and rows of a program."""
TENSOR_CORES = {
    "fp32": r"\bHMMA\.1688\.F32\.TF32\b|\bHGMMA\S*TF32\b|\bUTCHMMA\b",
    "fp16": r"\bHMMA\.16816\.F32\b(?!\.)|\bHGMMA\S*F32\b(?!\.)|\bUTCHMMA\b",
    "bf16": r"\bHMMA\.16816\.F32\.BF16\b|\bHGMMA\S*BF16\b|\bUTCHMMA\b",
}

EVERY = resolve(TARGETS)
ALL = os.environ.get("EDGESER_TEST_TARGETS") == "all"
COMPILED = {
    "fp32": EVERY if ALL else ("sm_87", PTX),
    "fp16": ("sm_87", "sm_90", "sm_100") if ALL else ("sm_87", "sm_90"),
}
COMPILED["bf16"] = COMPILED["fp16"]


def start(folder: Path, precisions: str, targets: Sequence[str]) -> subprocess.Popen[str]:
    # In a process of its own: Triton decides once whether it compiles or interprets.
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    options = ["--precision", precisions, "--target", ",".join(targets), "--out", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "edgeser", "compile", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Index]:
    """By precision."""
    folder = tmp_path_factory.mktemp("kernels")
    single, half = folder / "single", folder / "half"
    running = (
        start(single, "float32", COMPILED["fp32"]),
        start(half, "float16,bfloat16", COMPILED["fp16"]),
    )
    for process in running:
        _, errors = process.communicate(timeout=1200)
        assert process.returncode == 0, errors
    return {"fp32": read_index(single), "fp16": read_index(half), "bf16": read_index(half)}


def variants(index: Index, precision: str) -> list[tuple[str, Variant]]:
    kernels = index.kernels.values()
    return [(k.name, v) for k in kernels for v in k.variants if v.precision == precision]


def shipped() -> Index:
    return read_index(kernels_folder(DEFAULT_BUNDLE))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_target_gets_code(indexes: dict[str, Index], precision: str) -> None:
    check_code(indexes[precision], precision, COMPILED[precision])


def test_every_target_gets_code_in_what_ships() -> None:
    check_code(shipped(), "fp32", EVERY)


def check_code(index: Index, precision: str, targets: Sequence[str]) -> None:
    found = {(name, precision, v.target, v.block_rows) for name, v in variants(index, precision)}
    wanted = {
        (name, precision, target, chosen.block_rows)
        for name in FUNCTIONS
        for target in targets
        for chosen in CONFIGURATIONS[name]
    }
    assert found == wanted - LEFT_OUT
    for name, v in variants(index, precision):
        code = index.read(v)
        assert v.shared_bytes <= DESKTOP_SHARED_BYTES, (name, v.target)
        assert v.symbol == name
        if v.target == PTX:
            assert re.search(r"^\.version 8\.0$", code.decode(), re.MULTILINE)
            assert re.search(r"^\.target sm_80$", code.decode(), re.MULTILINE)
        else:
            assert code[:4] == b"\x7fELF"
            assert b"/tmp" not in code  # no path of the machine that compiled it


def test_the_index_has_the_kernels_signatures(indexes: dict[str, Index]) -> None:
    manifest = read_bundle(DEFAULT_BUNDLE).manifest
    for index in indexes.values():
        assert index.sizes == kernel_sizes(manifest)
        for name, kernel in index.kernels.items():
            fixed = constants(name, manifest, 16)
            own = [n for n in FUNCTIONS[name].arg_names if n not in fixed]
            listed = [argument.name for argument in kernel.arguments if argument.type != "null"]
            assert listed == own
            assert kernel.constants.items() <= fixed.items()
            free = set() if name == "running_level" else {"BLOCK_ROWS"}
            assert free <= fixed.keys() - kernel.constants.keys()


def test_what_ships_is_what_the_sources_make(indexes: dict[str, Index]) -> None:
    """After changing a kernel, run ``edgeser compile`` and commit its output."""
    ships, made = shipped(), indexes["fp32"]
    files = {v.file for kernel in ships.kernels.values() for v in kernel.variants}
    assert {path.name for path in ships.folder.iterdir()} == files | {INDEX}
    assert sum(path.stat().st_size for path in ships.folder.iterdir()) < 4e6
    for kernel in ships.kernels.values():
        for v in kernel.variants:
            ships.read(v)  # its hash is right
    assert ships.sizes == made.sizes
    if ships.triton != made.triton:
        pytest.skip(f"compiled by Triton {ships.triton}, and here is {made.triton}")
    same = {
        name: replace(
            kernel, variants=tuple(v for v in kernel.variants if v.target in COMPILED["fp32"])
        )
        for name, kernel in ships.kernels.items()
    }
    assert same == made.kernels, "run `edgeser compile`, and commit what it writes"


def disassembler() -> str | None:
    package = importlib.util.find_spec("nvidia")
    folders = (package and package.submodule_search_locations) or ()
    found = (shutil.which("nvdisasm", path=f"{folder}/cu13/bin") for folder in folders)
    return next(filter(None, found), shutil.which("nvdisasm"))


@pytest.mark.parametrize(
    ("precision", "target"),
    [
        *((precision, target) for precision in PRECISIONS for target in ("sm_87", "sm_90")),
        *(("fp32", target) for target in ("sm_100", "sm_110", "sm_120")),
    ],
)
def test_the_machine_code_is_what_it_should_be(
    indexes: dict[str, Index], precision: str, target: str
) -> None:
    tool = disassembler()
    if tool is None:
        pytest.skip("there is no nvdisasm here: pip install nvidia-cuda-nvdisasm")
    index = indexes[precision] if target in COMPILED[precision] else shipped()
    for name, v in variants(index, precision):
        if v.target != target:
            continue
        done = subprocess.run(
            [tool, index.folder / v.file], capture_output=True, text=True, check=True
        )
        text = done.stdout
        assert f"sm_{target[3:]}" in text.lower().replace("cuda_sm", "sm_")
        assert f".text.{name}" in text
        # It takes what the index says, with as many threads.
        arguments = index.kernels[name].arguments
        assert text.count("EIATTR_KPARAM_INFO") == len(arguments)
        threads = re.search(r"EIATTR_REQNTID.*?\.word\s+0x([0-9a-f]+)", text, re.DOTALL)
        assert threads is not None
        assert int(threads[1], 16) == 32 * v.warps
        # Nothing is kept in memory for want of registers.
        assert not re.search(r"\b(STL|LDL)\b", text), v.file
        # A single token is no matrix; rows of them are, and so are the positions of one lookup.
        matrix = v.block_rows > 1 or name == "vq_fusion"
        multiplied = "fp32" if name == "spectrum" else precision  # views are float32 in all
        assert bool(re.search(TENSOR_CORES[multiplied], text)) == matrix, v.file
        # Weights come in 16 bytes a thread, but for the single token.
        assert matrix == bool(re.search(r"\bLDG(STS)?\.\S*128\b", text)), v.file


@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        ({"width": 136, "heads": 8}, "the tokens of this model need 256"),
        ({"width": 100, "heads": 20}, "the heads of this model need 256"),
        ({"code_width": 129}, "the codes of this model need 256"),
    ],
)
def test_what_is_too_wide_is_not_compiled(tmp_path: Path, sizes: dict[str, int], what: str) -> None:
    bundle = read_bundle(DEFAULT_BUNDLE)
    manifest = bundle.manifest._replace(sizes=bundle.manifest.sizes._replace(**sizes))
    with pytest.raises(BackendError, match=f"up to 128 columns, but {what}: run it on the CPU"):
        compile_bundle(bundle._replace(manifest=manifest), ["sm_80"], ["fp32"], tmp_path / "made")
    assert not (tmp_path / "made").exists()
