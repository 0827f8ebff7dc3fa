"""``edgeser export``, as a user runs it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import onnx
import pytest

from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.demo import SAMPLE
from edgeser.cli.exit_codes import ExitCode
from edgeser.export.step_graph import step_graph
from tests.backends.tensorrt.plan_header import read_header
from tests.cli.test_commands import run


def test_front_end_and_step_graph(toy_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("a folder with a long name" * 8)
    folder.mkdir()
    frontend, step = folder / "frontend.onnx", folder / "step.onnx"
    done = run("export", toy_path, "--frontend", frontend, "--step", step)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(frontend) in done.stdout
    assert str(step) in done.stdout
    assert "MB" in done.stdout
    bundle = read_bundle(toy_path)
    assert frontend.read_bytes() == bundle.frontend
    assert step.read_bytes() == step_graph(bundle)


def test_no_file_is_written_over_another(toy_path: Path, tmp_path: Path) -> None:
    bundle, sound = tmp_path / "toy.edgeser", tmp_path / "sound.ogg"
    bundle.write_bytes(toy_path.read_bytes())
    sound.write_bytes(SAMPLE.read_bytes())
    (tmp_path / "link.onnx").symlink_to(bundle)
    for options, said in (
        (["--frontend", bundle], f"--frontend {bundle} is read or written too"),
        (["--tensorrt-step", tmp_path / "link.onnx"], "--tensorrt-step"),
        (["--frontend", tmp_path / "a.onnx", "--step", tmp_path / "a.onnx"], "--step"),
        (["--frontend", sound, "--precision", "int8", "--calibrate", sound], "--frontend"),
    ):
        done = run("export", bundle, *options)
        assert done.returncode == ExitCode.USAGE
        assert said in done.stderr
    assert bundle.read_bytes() == toy_path.read_bytes()
    assert sound.read_bytes() == SAMPLE.read_bytes()
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize(
    ("precision", "calibrate", "mark"),
    [("float16", [], "Cast"), ("int8", ["--calibrate", SAMPLE], "QuantizeLinear")],
)
def test_lower_precision(
    tmp_path: Path, precision: str, calibrate: list[object], mark: str
) -> None:
    frontend = tmp_path / "frontend.onnx"
    options = ["--frontend", frontend, "--precision", precision, *calibrate, "--json"]
    done = run("export", *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"]["precision"] == precision
    assert told["model"]["hash"] == read_bundle(DEFAULT_BUNDLE).hash
    assert told["files"] == {"frontend": {"path": str(frontend), "bytes": frontend.stat().st_size}}
    assert mark in {node.op_type for node in onnx.load(frontend).graph.node}


def test_an_engine_for_another_gpu(toy_path: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorrt_rtx") is None:
        pytest.skip("TensorRT-RTX is not installed (extra tensorrt-rtx)")
    engine = tmp_path / "step.engine"
    options = ["--tensorrt-step", engine, "--target", "sm_89", "--batch", "2,4", "--json"]
    done = run("export", toy_path, *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["files"]["tensorrt_step"]
    assert told["flavour"] == "tensorrt_rtx"
    header = read_header(engine.read_bytes())
    assert (header.targets, header.version) == (((8, 9),), told["version"])
    done = run("export", toy_path, "--tensorrt-step", engine, "--target", "9.0")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "does not build for compute capability 9.0" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say what to write"),
        (["--step", "s.onnx", "--precision", "int8"], "belong together"),
        (["--step", "s.onnx", "--calibrate", "a.wav"], "belong together"),
        (["--step", "s.onnx", "--target", "sm_89"], "add --tensorrt-step"),
        (["--tensorrt-step", "e", "--target", "ada"], "give a compute capability"),
        (["--tensorrt-step", "e", "--batch", "many"], "give two numbers"),
    ],
)
def test_usage_errors_exit_with_2(options: list[str], said: str) -> None:
    done = run("export", *options)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_errors_are_one_line(toy_path: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "step.onnx"
    for options, said in (
        ((toy_path, "--step", nowhere), "No such file"),
        ((tmp_path / "none.edgeser", "--step", tmp_path / "s.onnx"), "there is no such file"),
        (
            (toy_path, "--step", "s.onnx", "--precision", "int8", "--calibrate", toy_path),
            "cannot be read as audio",
        ),
        ((toy_path, "--tensorrt-step", "e", "--batch", "9,1"), "1 <= usual <= largest"),
    ):
        done = run("export", *options)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert said in done.stderr


def test_the_missing_extra_is_named(toy_path: Path, tmp_path: Path) -> None:
    import subprocess

    probe = (
        "import sys; sys.modules['onnx'] = None\n"
        f"sys.argv = ['edgeser', 'export', {str(toy_path)!r}, '--step', {str(tmp_path / 's')!r}]\n"
        "from edgeser.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'edgeser[export]'" in done.stderr
