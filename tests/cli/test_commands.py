"""The command line, run in subprocesses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edgeser
from edgeser.cli.demo import SAMPLE
from tests.cli.conftest import run


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"edgeser {edgeser.__version__}\n")


def test_no_arguments_show_help() -> None:
    done = run()
    for command in ("demo", "analyze", "doctor"):
        assert command in done.stdout + done.stderr


def test_demo(toy_path: Path) -> None:
    done = run("demo", "--model", toy_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "model toy 1" in done.stdout
    assert "verdict" in done.stdout
    assert "real-time factor 0.0" in done.stdout
    assert "\x1b" not in done.stdout  # not a terminal: nothing but text


def test_demo_on_a_terminal(toy_path: Path) -> None:
    done = run(
        "demo", "-m", toy_path, "--fast", FORCE_COLOR="1", NO_COLOR="", TERM="xterm-256color"
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b[" in done.stdout
    for label in ("anger", "happiness", "sadness", "neutral", "speech"):
        assert label in done.stdout


def test_demo_keeps_the_pace_it_is_told(toy_path: Path) -> None:
    import time

    start = time.perf_counter()
    done = run("demo", "-m", toy_path, "--pace", 10)
    assert done.returncode == 0
    assert time.perf_counter() - start > soundfile.info(SAMPLE).duration / 10


def test_analyze(toy_path: Path, sound: Path) -> None:
    done = run("analyze", "-m", toy_path, sound)
    assert done.returncode == 0, done.stderr
    verdict = edgeser.load(toy_path).analyze(sound).verdict
    assert f"{sound}  {verdict.label}" in done.stdout
    assert f"{verdict.confidence:.2f}" in done.stdout
    assert "happiness" in done.stdout  # the timeline


def test_analyze_json(toy_path: Path, sound: Path) -> None:
    done = run("analyze", "-m", toy_path, "--json", sound, SAMPLE)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    model = edgeser.load(toy_path)
    assert told["model"] == {"name": "toy", "version": "1", "hash": model.hash}
    expected = [model.analyze(sound).to_dict(), model.analyze(SAMPLE).to_dict()]
    assert told["files"] == json.loads(json.dumps(expected))


def test_one_bad_file_does_not_stop_the_others(toy_path: Path, sound: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    done = run("analyze", "-m", toy_path, bad, sound)
    assert done.returncode == 1
    assert str(sound) in done.stdout
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"edgeser: {bad}: cannot be read as audio")
    told = json.loads(run("analyze", "-m", toy_path, "--json", bad, sound).stdout)
    assert "cannot be read" in told["files"][0]["error"]
    assert "verdict" in told["files"][1]


def test_errors_are_one_line_without_a_traceback(sound: Path, tmp_path: Path) -> None:
    done = run("analyze", "-m", tmp_path / "missing.edgeser", sound)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "there is no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_plot(toy_path: Path, sound: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    picture = tmp_path / "timeline.png"
    done = run("analyze", "-m", toy_path, sound, "--plot", picture)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"timeline in {picture}" in done.stdout
    done = run("analyze", "-m", toy_path, sound, "--plot", tmp_path / "timeline.docx")
    assert done.returncode == 1
    assert "end it in one of" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["analyze"], ["analyze", "a", "b", "--plot", "c.png"], ["dance"], ["demo", "--pace", "-1"]],
)
def test_usage_errors_exit_with_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_doctor(toy_path: Path) -> None:
    done = run("doctor", "-m", toy_path, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["edgeser"] == edgeser.__version__
    assert told["backends"]["cpu"] == "works"
    assert "cuda" in told["backends"]["cuda"]
    assert told["simd"][-1] == "plain"
    assert told["model"]["hash"] == edgeser.load(toy_path).hash
    assert told["packages"]["numpy"] == np.__version__
    assert told["speed"]["times_real_time"] > 1
    assert told["model"]["hash"][:12] in run("doctor", "-m", toy_path).stdout


def test_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "broken.edgeser"
    broken.write_bytes(b"no")
    done = run("doctor", "-m", broken)
    assert done.returncode == 1
    assert "not a bundle" in " ".join(done.stdout.split())
    assert json.loads(run("doctor", "-m", broken, "--json").stdout)["model"]["error"]


def test_doctor_works_without_compiled_kernels(toy_path: Path) -> None:
    """The one command that must run when the installation is broken."""
    probe = (
        "import sys; sys.modules['edgeser._kernels'] = None\n"
        f"sys.argv = ['edgeser', 'doctor', '-m', {str(toy_path)!r}]\n"
        "from edgeser.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "compiled kernels cannot be imported" in done.stdout.replace("\n", " ")
