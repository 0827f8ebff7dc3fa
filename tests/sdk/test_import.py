"""``import edgeser`` is light and exposes only the public API."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import typing

import pytest

import edgeser

_PROBE = """
import json, os, sys, threading

def native_threads():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1

def open_files():
    folder = "/proc/self/fd"
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [os.path.realpath(f"{folder}/{name}") for name in names if int(name) > 2]

import numpy
before = native_threads()
import edgeser
print(json.dumps({
    "python": threading.active_count(),
    "native": native_threads() - before,
    "files": [name for name in open_files() if not name.startswith(("/dev", "/proc"))],
    "modules": sorted({name.split(".")[0] for name in sys.modules}),
}))
"""


def test_importing_starts_no_threads_and_pulls_in_nothing_heavy() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", _PROBE], check=True, capture_output=True, text=True
    ).stdout
    found = json.loads(printed)
    assert found["python"] == 1
    assert found["native"] == 0
    heavy = {"torch", "onnx", "onnxruntime", "matplotlib", "soundfile", "typer", "rich", "scipy"}
    gpu = {"cuda", "tensorrt", "tensorrt_rtx", "triton"}
    assert not (heavy | gpu) & set(found["modules"])


def test_writing_and_signing_are_imported_by_those_who_do_it(toy_path: str) -> None:
    probe = (
        "import sys, numpy\n"
        "before = set(sys.modules)\n"
        "import edgeser\n"
        "stream = edgeser.load(sys.argv[1]).stream(16000)\n"
        "assert stream.process(numpy.zeros(16000, 'f4'))\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})\n"
        "from edgeser.bundle import write_bundle\n"
        "assert 'safetensors' in sys.modules\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", probe, toy_path], check=True, capture_output=True, text=True
    ).stdout
    unwanted = {"hashlib", "pathlib", "random", "safetensors", "tempfile", "zipfile"}
    assert not unwanted & set(printed.split())


def test_loading_and_running_start_no_threads_and_keep_no_files_open(toy_path: str) -> None:
    probe = _PROBE.replace(
        "import edgeser\n",
        "import edgeser\nm = edgeser.load(sys.argv[1])\n"
        "m.stream(48000).process(numpy.zeros(48000, 'f4'))\n",
    )
    printed = subprocess.run(
        [sys.executable, "-c", probe, toy_path], check=True, capture_output=True, text=True
    ).stdout
    found = json.loads(printed)
    assert found["python"] == 1
    assert found["native"] == 0
    assert found["files"] == []


def test_what_jetpack_lacks_is_not_needed() -> None:
    """Not even ONNX Runtime: the shipped model uses our own front end."""
    probe = (
        "import sys\n"
        "lacking = 'torch', 'triton', 'onnx', 'onnxruntime', 'cuda', 'tensorrt', 'tensorrt_rtx'\n"
        "for name in lacking: sys.modules[name] = None\n"
        "import numpy, edgeser\n"
        "stream = edgeser.load().stream(48000)\n"
        "assert len(stream.process(numpy.zeros(48000, 'f4'))) == 7\n"
        "assert edgeser.load().resume(stream.state()).flush().duration == 1.0\n"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


@pytest.mark.checkout
def test_no_run_time_module_imports_training_code() -> None:
    probe = (
        "import sys, pkgutil, importlib, edgeser\n"
        "for module in pkgutil.walk_packages(edgeser.__path__, 'edgeser.'):\n"
        "    if module.name.endswith('__main__') or '.triton' in module.name: continue\n"
        "    if module.name.startswith('edgeser.export'): continue\n"
        "    importlib.import_module(module.name)\n"
        "assert not {'torch', 'train', 'onnx'} & set(sys.modules), 'not for the device'\n"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


def test_every_public_name_is_there_and_documented() -> None:
    for name in edgeser.__all__:
        thing = getattr(edgeser, name)
        # A Literal says what it may be, and carries no docstring at run time.
        if name != "__version__" and typing.get_origin(thing) is not typing.Literal:
            assert inspect.getdoc(thing), name


def public_callables() -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("load", edgeser.load)]
    for kind in (edgeser.Model, edgeser.Stream, edgeser.Pool, edgeser.Analysis):
        for name, member in vars(kind).items():
            if name.startswith("_"):
                continue
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function):
                found.append((f"{kind.__name__}.{name}", function))
    return found


@pytest.mark.parametrize(
    ("name", "function"), public_callables(), ids=[name for name, _ in public_callables()]
)
def test_every_public_callable_is_typed_and_documented(name: str, function: typing.Any) -> None:
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty, name
    for parameter in signature.parameters.values():
        if parameter.name != "self":
            assert parameter.annotation is not inspect.Parameter.empty, (name, parameter.name)
    assert inspect.getdoc(function), name


def test_model_facts(model: edgeser.Model) -> None:
    assert model.sample_rate == 16_000
    assert model.hop == model.delay == 0.128
    assert len(model.labels) == 4
    assert len(model.hash) == 64
    assert model.licence
    assert model.version
    assert model.receptive_field > model.hop
    model.facts["labels"].clear()
    assert len(model.facts["labels"]) == 4


def test_unknown_backends_are_named() -> None:
    with pytest.raises(edgeser.BackendError, match=r"'tpu'.*cpu"):
        edgeser.load(backend="tpu")
