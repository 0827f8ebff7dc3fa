"""The real ``cuda.core`` on a stub of the driver.

So what is called, in which order and with which arguments is what a driver would get; what it would
make of that is the stub's opinion.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeser.backends.cuda.index import Index
from edgeser.bundle import Bundle

pytest.importorskip("cuda.core", reason="cuda-core is not installed (extra cuda)")

SOURCE = Path(__file__).parent / "driver" / "libcuda.c"


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ``libcuda.so.1``."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        pytest.skip("the stub of a driver needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("driver")
    options = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    out = ["-o", str(folder / "libcuda.so.1"), "-ldl"]
    subprocess.run([compiler, *options, str(SOURCE), *out], check=True)
    return folder


def run(
    stub: Path, scenario: str, bundle: Path, index: Index, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tests.backends.cuda.driver.on_stub", scenario]
    done = subprocess.run(
        [*program, str(bundle), str(index.folder)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        env={**os.environ, "LD_LIBRARY_PATH": str(stub)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")
    return done


@pytest.mark.parametrize("scenario", ["streams", "shared_streams"])
def test_streams(stub: Path, toy_path: Path, toy_index: Index, scenario: str) -> None:
    done = run(stub, scenario, toy_path, toy_index)
    assert len(done.stderr.splitlines()) == 1
    assert "the CPU runs the front end" in done.stderr


def test_the_front_end(stub: Path, toy_path: Path, toy_bundle: Bundle, tmp_path: Path) -> None:
    triton = pytest.importorskip("triton")
    if not triton.knobs.runtime.interpret:
        pytest.skip("the kernels are compiled here")
    from tests.backends.cuda.interpreted import make_full_index

    done = run(stub, "front_end", toy_path, make_full_index(tmp_path, toy_bundle), 600)
    assert not done.stderr


def test_a_device_that_breaks(stub: Path, toy_path: Path, toy_index: Index) -> None:
    done = run(stub, "breaks", toy_path, toy_index)
    named = [line for line in done.stdout.splitlines() if line.startswith("named: ")]
    assert len(named) == 3
    assert all("CUDA_ERROR_ILLEGAL_ADDRESS" in line for line in named[:2])
    assert done.stderr.count("streams go on on the CPU: ") == 1


def test_graphs_and_copies_keep_what_they_name(
    stub: Path, toy_path: Path, toy_index: Index
) -> None:
    """A graph whose memory was freed fails, as on a GPU."""
    done = run(stub, "owners", toy_path, toy_index)
    [named] = [line for line in done.stdout.splitlines() if line.startswith("named: ")]
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in named


def test_the_rest_of_the_seam(stub: Path, toy_path: Path, toy_index: Index) -> None:
    done = run(stub, "seam", toy_path, toy_index)
    first, second, _ = done.stdout.splitlines()
    assert first.startswith("named: 10 bytes of the GPU's memory cannot be had (")
    assert second.startswith("named: no NVIDIA GPU can be used here (")
