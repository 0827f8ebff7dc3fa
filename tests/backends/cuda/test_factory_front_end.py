"""The front end of a GPU model: TensorRT, ONNX Runtime, or the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda import factory, front_end
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.factory import open_auto, open_cuda
from edgeser.backends.cuda.index import Index
from edgeser.backends.cuda.runtime import BATCH_SIZES, OnDevice
from edgeser.backends.tensorrt import Flavour
from edgeser.backends.tensorrt.builder import Progress
from edgeser.backends.tensorrt.cache import EngineCache
from edgeser.bundle import Bundle
from tests.backends.cuda.fake import NO_FRONT_END, FakeDevice, prepare_on
from tests.backends.cuda.results import assert_as_on_the_cpu, warnings_of


class FakeTensorRT:
    """Builds fake engines, and runs some of them with NumPy."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bundle: Bundle, device: FakeDevice) -> None:
        self.builds = 0
        self.runs_new = True
        monkeypatch.setattr(front_end, "find_flavour", lambda: _FLAVOUR)
        monkeypatch.setattr(front_end, "build", self._build)
        monkeypatch.setattr(front_end, "Session", self._session)
        self._prepare = prepare_on(device, bundle)

    def _build(self, *_: object, target: object, progress: Callable[[float], object]) -> bytes:
        self.builds += 1
        assert target is None  # it builds for the GPU that is here
        for done in (0.25, 1.0):
            progress(done)
        return b"runs" if self.runs_new else b"does not run"

    def _session(self, flavour: Flavour, engine: bytes, shapes: object) -> FakeTensorRT:
        assert flavour is _FLAVOUR
        assert shapes == {
            "segment": (4224,),
            "level": (),
            "deep": (24,),
            "latent": (4, 8),
            "level_out": (),
        }
        if engine != b"runs":
            raise edgeser.DeviceError("it does not run")
        return self

    def prepare(self, batch: int, addresses: Mapping[str, int]) -> Callable[[int], None]:
        return self._prepare(batch, addresses)


class _Api:
    __version__ = "10.3.0"


_FLAVOUR = Flavour("tensorrt", "TensorRT", _Api)


def _opened(
    bundle: Bundle, index: Index, device: FakeDevice, cache: Path, progress: Progress
) -> CudaEngine:
    return open_cuda(
        bundle,
        index.folder,
        "float32",
        cache=cache,
        progress=progress,
        open_device=lambda: device,
        graph=True,
    )


def test_tensorrt_runs_the_front_end_in_the_graph(
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    toy_index: Index,
    device: FakeDevice,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tensorrt = FakeTensorRT(monkeypatch, toy_bundle, device)
    told: list[float] = []
    opened = partial(_opened, toy_bundle, toy_index, device, tmp_path, told.append)
    for _ in range(2):
        engine = opened()
        assert isinstance(engine.runtime.front_end, OnDevice)
        assert engine.runtime.front_end.title == "TensorRT 10.3.0"
        assert_as_on_the_cpu(engine, toy_model)
    assert tensorrt.builds == 1
    assert told == [0.25, 1.0]
    assert not caplog.records

    # An engine that is whole, of this very model and version, and yet refused: built anew, once.
    (kept,) = tmp_path.iterdir()
    origin = front_end._origin(_FLAVOUR, toy_bundle, device.capability)
    assert kept.name == origin.file_name
    cache = EngineCache(tmp_path)
    kept.unlink()
    cache.get(origin, lambda: b"from a friend")
    assert isinstance(opened().runtime.front_end, OnDevice)
    assert tensorrt.builds == 2
    (said,) = warnings_of(caplog)
    assert "cannot be used (it does not run): building it anew" in said

    # Nothing that is built runs: tried once, not twice.
    kept.unlink()
    caplog.clear()
    tensorrt.runs_new = False
    engine = opened()
    assert tensorrt.builds == 3
    assert warnings_of(caplog) == [f"the CPU runs the front end: {NO_FRONT_END}it does not run"]
    assert_as_on_the_cpu(engine, toy_model)


def test_a_real_engine_is_built_and_refused_without_a_gpu(
    rtx: Flavour,
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    toy_index: Index,
    device: FakeDevice,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("here is a GPU, which TensorRT-RTX would run it on")
    told: list[float] = []
    engine = _opened(toy_bundle, toy_index, device, tmp_path, told.append)
    assert told[-1] == 1.0
    assert [path.suffix for path in tmp_path.iterdir()] == [".engine"]
    (said,) = warnings_of(caplog)
    assert f"the CPU runs the front end: {NO_FRONT_END}{rtx.title} {rtx.version}" in said
    assert "does not run" in said
    assert_as_on_the_cpu(engine, toy_model)


def test_no_other_runtime_is_given_a_graph_that_nobody_allowed(
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    toy_index: Index,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bundle's graph is untrusted even if the bundle has layers."""
    tensorrt = FakeTensorRT(monkeypatch, toy_bundle, device)
    monkeypatch.setattr(front_end, "has_cuda_provider", lambda: True)
    monkeypatch.setattr(front_end, "OnnxFrontEnd", pytest.fail)
    engine = open_cuda(toy_bundle, toy_index.folder, "float32", open_device=lambda: device)
    assert tensorrt.builds == 0
    assert warnings_of(caplog) == [
        f"the CPU runs the front end: {NO_FRONT_END}{front_end.GRAPH_NOT_ALLOWED}"
    ]
    assert_as_on_the_cpu(engine, toy_model)


def test_loading_says_whose_graph_may_run(toy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[bool] = []

    def opened(bundle: Bundle, *_: object, graph: bool, **__: object) -> Engine:
        allowed.append(graph)
        return Engine(bundle)

    monkeypatch.setattr(factory, "open_cuda", opened)
    for allow in (False, True):
        edgeser.load(toy_path, backend="cuda", allow_onnx=allow)
    edgeser.load(backend="cuda")
    assert allowed == [False, True, True]


@pytest.mark.usefixtures("no_tensorrt")
def test_onnx_runtime_takes_tensorrts_place(
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    toy_index: Index,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class OnnxOnGpu:
        """The real one but for where it runs."""

        fails = False

        def __init__(self, *arguments: object) -> None:
            assert arguments[-2] == "CUDAExecutionProvider"
            self._run = Engine(toy_bundle).front_end

        def __call__(self, *arguments: np.ndarray) -> object:
            if self.fails:
                raise edgeser.BackendError("the front end failed (CUDA error 700)")
            return self._run(*arguments)

    monkeypatch.setattr(front_end, "has_cuda_provider", lambda: True)
    monkeypatch.setattr(front_end, "OnnxFrontEnd", OnnxOnGpu)
    engine = open_auto(
        toy_bundle, toy_index.folder, "float32", open_device=lambda: device, graph=True
    )
    assert engine.backend == "cuda"
    assert_as_on_the_cpu(engine, toy_model)
    monkeypatch.setattr(OnnxOnGpu, "fails", True)
    assert_as_on_the_cpu(engine, toy_model)
    assert engine.backend == "cpu"
    assert warnings_of(caplog) == [
        f"ONNX Runtime on the GPU runs the front end: {NO_FRONT_END}no TensorRT here",
        "streams go on on the CPU: the front end failed (CUDA error 700)",
    ]


@pytest.mark.usefixtures("no_tensorrt")
@pytest.mark.parametrize("kind", [edgeser.BackendError, edgeser.BundleError])
def test_an_onnx_runtime_that_cannot_is_said_too(
    kind: type[edgeser.EdgeserError],
    toy_bundle: Bundle,
    toy_index: Index,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def cannot(*_: object) -> None:
        raise kind("it lacks libcudnn")

    monkeypatch.setattr(front_end, "has_cuda_provider", lambda: True)
    monkeypatch.setattr(front_end, "OnnxFrontEnd", cannot)
    open_cuda(toy_bundle, toy_index.folder, "float32", open_device=lambda: device, graph=True)
    assert warnings_of(caplog) == [
        f"the CPU runs the front end: {NO_FRONT_END}no TensorRT here; it lacks libcudnn",
    ]


def test_a_user_without_a_home(
    toy_bundle: Bundle,
    toy_index: Index,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    FakeTensorRT(monkeypatch, toy_bundle, device)
    monkeypatch.setattr(Path, "home", nobody)
    engine = open_cuda(
        toy_bundle, toy_index.folder, "float32", open_device=lambda: device, graph=True
    )
    assert engine.backend == "cuda"
    (said,) = warnings_of(caplog)
    assert f"the CPU runs the front end: {NO_FRONT_END}no folder to store" in said


def test_every_batch_size_is_within_the_engines_profile() -> None:
    assert front_end._BATCHES.most == max(BATCH_SIZES)
    assert front_end._BATCHES.usual == min(BATCH_SIZES) == 1
