"""``edgeser compile``, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeser.backends.cuda.index import read_index


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "edgeser", "compile", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**kept, "COLUMNS": "100", "NO_COLOR": "1", **environment},
    )


def refused(*arguments: object, **environment: str) -> str:
    """The error message, one line."""
    done = run(*arguments, **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("edgeser: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_makes_an_index_for_ones_own_model(toy_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("triton")
    done = run("-m", toy_path, "-t", "jetson-orin,ptx", "-o", tmp_path / "made", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["folder"] == str(tmp_path / "made")
    index = read_index(tmp_path / "made")
    found = {variant.target for kernel in index.kernels.values() for variant in kernel.variants}
    assert found == {"sm_87", "ptx_80"}
    for kernel in index.kernels.values():
        least = 16 if kernel.name in ("spectrum", "convolution") else 1
        assert kernel.variants_for("fp32", (8, 7))[0].block_rows == least
        for variant in kernel.variants:
            assert index.read(variant)
    assert said["index"]["model"] == index.model

    # Another precision comes to it, and what is compiled again is the same.
    options = ("--precision", "float32,float16", "-t", "sm_87", "-o", tmp_path / "made")
    done = run("-m", toy_path, *options)
    assert done.returncode == 0, done.stderr
    assert "30 files" in done.stdout
    assert "sm_87   float16       10" in done.stdout
    assert "ptx_80  float32       10" in done.stdout
    again = read_index(tmp_path / "made")
    assert len(list((tmp_path / "made").iterdir())) == 31
    for name, kernel in again.kernels.items():
        assert set(kernel.variants) > set(index.kernels[name].variants)
        assert [v.precision for v in kernel.variants] == sorted(
            (v.precision for v in kernel.variants), reverse=True
        )

    # For other sizes, nothing of it is of use.
    file = tmp_path / "made" / "index.json"
    file.write_text(file.read_text().replace('"codes": 16', '"codes": 17'))
    done = run("-m", toy_path, "-t", "sm_87", "-o", tmp_path / "made")
    assert "10 files" in done.stdout
    assert len(list((tmp_path / "made").iterdir())) == 11


def test_says_what_makes_no_sense(tmp_path: Path) -> None:
    out = tmp_path / "made"
    assert "unknown target 'pascal': use jetson-orin" in refused("-t", "pascal", "-o", out)
    assert "do not support precision 'int8'; they support float32" in refused(
        "--precision", "int8", "-o", out
    )
    assert "no such file" in refused("-m", tmp_path / "none.edgeser", "-o", out).lower()
    assert not out.exists()


def test_says_that_triton_is_missing(toy_path: Path, tmp_path: Path) -> None:
    (tmp_path / "triton.py").write_text("raise ImportError('No module named triton')")
    said = refused("-m", toy_path, "-o", tmp_path / "made", PYTHONPATH=str(tmp_path))
    assert "compiling needs Triton" in said
    assert "pip install 'edgeser[compile]'" in said


def test_says_that_an_interpreter_compiles_nothing(toy_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("triton")
    said = refused("-m", toy_path, "-t", "ada", "-o", tmp_path / "made", TRITON_INTERPRET="1")
    assert "unset TRITON_INTERPRET" in said


def test_says_that_a_folder_cannot_be_written(toy_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("triton")
    (tmp_path / "file").write_text("")
    said = refused("-m", toy_path, "-t", "sm_80", "-o", tmp_path / "file")
    assert "cannot be written" in said
