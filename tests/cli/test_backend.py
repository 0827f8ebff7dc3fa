"""``--backend`` of the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.backends.cuda.real import why_no_gpu
from tests.cli.conftest import run


def test_auto_judges_wherever_it_can(toy_path: Path, sound: Path) -> None:
    done = run("analyze", "-m", toy_path, "--backend", "auto", sound)
    assert done.returncode == 0, done.stderr
    assert "speech" in done.stdout


@pytest.mark.skipif(why_no_gpu() is None, reason="here is a GPU")
def test_no_gpu_is_one_line(toy_path: Path, sound: Path) -> None:
    done = run("analyze", "-m", toy_path, "--backend", "cuda", sound)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("edgeser: no ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_doctor_times_the_backend_that_it_is_told(toy_path: Path) -> None:
    told = json.loads(run("doctor", "-m", toy_path, "--backend", "auto", "--json").stdout)
    assert told["model"]["backend"] == told["gpu"]["backend"]
    if why_no_gpu() is not None:
        failed = run("doctor", "-m", toy_path, "--backend", "cuda", "--json")
        assert failed.returncode == 1
        assert why_no_gpu() in json.loads(failed.stdout)["model"]["error"]


def test_other_backends_make_no_sense(toy_path: Path, sound: Path) -> None:
    assert run("analyze", "-m", toy_path, "--backend", "tpu", sound).returncode == 2
