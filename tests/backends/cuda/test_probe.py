"""`edgeser doctor`'s report about a GPU agrees with loading a model on it."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import edgeser
from edgeser.backends.cuda import front_end, probe
from edgeser.backends.cuda.index import Index
from edgeser.backends.cuda.probe import Probe
from edgeser.backends.tensorrt import EngineCache, Flavour
from edgeser.bundle import Bundle
from tests.backends.cuda.fake import NO_FRONT_END, FakeDevice, fake_device


def tensorrt(version: str = "10.3.0") -> Flavour:
    return Flavour("tensorrt", "TensorRT", type("Api", (), {"__version__": version}))


def tensorrt_rtx(*targets: str) -> Flavour:
    known = type("ComputeCapability", (), dict.fromkeys(targets))
    api = type("Api", (), {"__version__": "1.7.1", "ComputeCapability": known})
    return Flavour("tensorrt_rtx", "TensorRT-RTX", api)


class Looker:
    """Inspects a fake GPU."""

    def __init__(self, bundle: Bundle, index: Index, cache: Path, patch: pytest.MonkeyPatch):
        self.bundle, self.index, self.cache, self._patch = bundle, index, cache, patch
        self.device: FakeDevice | None = fake_device(bundle)
        self.put(tensorrt())

    def put(self, flavour: Flavour | None) -> None:
        """Let it be what is installed."""

        def find() -> Flavour:
            if flavour is None:
                raise edgeser.BackendError("no TensorRT here")
            return flavour

        for module in (front_end, probe):
            self._patch.setattr(module, "find_flavour", find)

    def open(self) -> FakeDevice:
        if self.device is None:
            raise edgeser.DeviceError("no GPU here")
        return self.device

    def __call__(self, precision: edgeser.Precision = "float32", *, graph: bool = True) -> Probe:
        return probe.probe(
            self.bundle,
            self.index.folder,
            precision,
            cache=self.cache,
            open_device=self.open,
            graph=graph,
        )


@pytest.fixture
def look(
    toy_bundle: Bundle, toy_index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Looker:
    return Looker(toy_bundle, toy_index, tmp_path, monkeypatch)


def test_a_gpu_with_everything(look: Looker) -> None:
    found = look()
    assert (found.device, found.capability, found.kernels) == ("fake", "8.6", "sm_86")
    assert (found.backend, found.front_end) == ("cuda", "TensorRT 10.3.0")
    assert found.tensorrt == "TensorRT 10.3.0"
    assert "CPUExecutionProvider" in found.onnx_providers
    assert found.problems == {"front_end": "its engine will be built at the first load"}
    assert not list(look.cache.iterdir())
    EngineCache(look.cache).get(
        front_end._origin(tensorrt(), look.bundle, (8, 6)), lambda: b"an engine"
    )
    assert look().problems == {}
    look.put(tensorrt("10.4.0"))
    assert "front_end" in look().problems  # kept by another version


def test_what_takes_tensorrts_place(look: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    look.put(tensorrt_rtx("SM86", "SM120"))
    assert look().front_end == "TensorRT-RTX 1.7.1"
    look.put(tensorrt_rtx("SM89", "SM120"))
    found = look()
    assert (found.backend, found.front_end) == ("cuda", "the CPU")
    assert "not build for compute capability 8.6; it does for 8.9" in found.problems["front_end"]
    look.put(None)
    assert look().problems == {
        "tensorrt": "no TensorRT here",
        "front_end": f"{NO_FRONT_END}no TensorRT here",
    }
    monkeypatch.setattr(front_end, "has_cuda_provider", lambda: True)
    assert look().front_end == "ONNX Runtime on the GPU"
    found = look(graph=False)
    assert found.front_end == "the CPU"
    assert found.problems["front_end"] == f"{NO_FRONT_END}{front_end.GRAPH_NOT_ALLOWED}"


def test_no_gpu(look: Looker) -> None:
    look.device = None
    found = look()
    assert (found.backend, found.device, found.capability) == ("cpu", None, None)
    assert found.kernels == "sm_86"  # what there is
    assert found.problems == {"device": "no GPU here"}


@pytest.mark.parametrize(
    ("capability", "precision", "said"),
    [
        ((9, 0), "float32", "not compiled in fp32 for compute capability 9.0"),
        ((8, 6), "bfloat16", "not compiled in bf16"),
        ((8, 6), "int8", "do not support int8"),
    ],
)
def test_no_kernels_for_it(
    look: Looker, capability: tuple[int, int], precision: edgeser.Precision, said: str
) -> None:
    assert look.device is not None
    look.device.capability = capability
    found = look(precision)
    assert (found.backend, found.device, found.kernels) == ("cpu", "fake", None)
    assert said in found.problems["kernels"]


def test_no_kernels_at_all(look: Looker, tmp_path: Path) -> None:
    look.index = replace(look.index, folder=tmp_path / "nowhere")
    found = look()
    assert found.backend == "cpu"
    assert "edgeser compile" in found.problems["kernels"]


def test_doctor_says_it(look: Looker, toy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typer = pytest.importorskip("typer.testing")
    pytest.importorskip("soundfile")
    app = importlib.import_module("edgeser.cli").app
    command = importlib.import_module("edgeser.cli.doctor")  # edgeser.cli.doctor is its function
    monkeypatch.setattr(command, "probe", lambda *_, **__: look())

    def told() -> str:
        done = typer.CliRunner().invoke(
            app, ["doctor", "-m", str(toy_path)], env={"COLUMNS": "200"}
        )
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert "GPU fake, compute capability 8.6" in told()
    assert "GPU kernels sm_86 TensorRT TensorRT 10.3.0" in told()
    assert (
        "backend auto would be cuda, TensorRT 10.3.0 runs the front end "
        "(its engine will be built at the first load)"
    ) in told()
    assert "runs on cpu" in told()  # which is what was asked for
    look.device.capability = (9, 0)
    assert "backend auto would be cpu, for want of kernels for the GPU" in told()
    look.device = None
    assert "GPU none" in told()
    assert "backend auto would be cpu, for want of a GPU" in told()
    done = typer.CliRunner().invoke(app, ["doctor", "-m", str(toy_path), "--json"])
    gpu = json.loads(done.output)["gpu"]
    assert gpu["problems"] == {"device": "no GPU here"}
    assert gpu["kernels"] == "sm_86"
