"""Loading on a GPU with CPU fallback: one warning states the reason."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.backends.cuda import factory
from edgeser.backends.cuda.device import Argument
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.factory import open_auto, open_cuda
from edgeser.backends.cuda.index import KERNELS, Index, read_index
from edgeser.backends.cuda.shapes import kernel_sizes
from edgeser.bundle import Bundle, read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE, kernels_folder
from tests.backends.cuda.fake import NO_FRONT_END, FakeDevice, fake_device
from tests.backends.cuda.real import why_no_gpu
from tests.backends.cuda.results import assert_as_on_the_cpu, warnings_of


def no_gpu() -> FakeDevice:
    raise edgeser.DeviceError("no GPU here")


@pytest.mark.usefixtures("no_tensorrt")
@pytest.mark.parametrize("open_there", [open_cuda, open_auto])
def test_opens_on_the_gpu(
    open_there: Callable[..., CudaEngine],
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    toy_index: Index,
    device: FakeDevice,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = open_there(
        toy_bundle, toy_index.folder, "float32", open_device=lambda: device, graph=True
    )
    assert engine.backend == "cuda"
    assert engine.runtime.recorded == ((1,), (1,))  # it has been tried out
    assert warnings_of(caplog) == [f"the CPU runs the front end: {NO_FRONT_END}no TensorRT here"]
    assert_as_on_the_cpu(engine, toy_model)
    assert len(caplog.records) == 1


def test_without_a_gpu(
    toy_bundle: Bundle, toy_model: edgeser.Model, toy_index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(edgeser.DeviceError, match="no GPU here"):
        open_cuda(toy_bundle, toy_index.folder, "float32", open_device=no_gpu)
    assert not caplog.records
    engine = open_auto(toy_bundle, toy_index.folder, "float32", open_device=no_gpu)
    assert engine.backend == "cpu"
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == "the model runs on the CPU: no GPU here"
    assert_as_on_the_cpu(engine, toy_model)


class Scrambled(FakeDevice):
    """Its kernels compute different values."""

    def _tacn(self, arguments: Sequence[Argument]) -> None:
        super()._tacn(arguments)
        *_, logits, count = arguments
        self.view(int(logits), np.float32, int(count), self.tacn.outputs)[:] *= -1


class Overflowing(FakeDevice):
    def _tacn(self, arguments: Sequence[Argument]) -> None:
        super()._tacn(arguments)
        self.view(int(arguments[6]), np.float32, self.tacn.outputs)[:] = np.inf


def break_nothing(folder: Path) -> None:
    pass


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder)


def damage_one(folder: Path) -> None:
    (folder / "tacn_step-4.cubin").write_bytes(b"x" * len(b"code of tacn_step"))


@pytest.mark.usefixtures("no_tensorrt")
@pytest.mark.parametrize(
    ("kind", "capability", "precision", "break_it", "said"),
    [
        (FakeDevice, (8, 6), "float32", remove_all, "no such file: run `edgeser compile`"),
        # Needed by large batches only; found all the same.
        (FakeDevice, (8, 6), "float32", damage_one, "tacn_step-4.cubin: is damaged"),
        (FakeDevice, (9, 0), "float32", break_nothing, "not compiled in fp32 for .* 9.0"),
        (FakeDevice, (8, 6), "bfloat16", break_nothing, "not compiled in bf16"),
        (FakeDevice, (8, 6), "int8", break_nothing, "do not support int8: use float32 or bfloat16"),
        (Scrambled, (8, 6), "float32", break_nothing, "differ by 0.* from the CPU's: update"),
        (Overflowing, (8, 6), "float32", break_nothing, "computes wrong results"),
    ],
)
def test_what_cannot_be_used_is_named(
    kind: type[FakeDevice],
    capability: tuple[int, int],
    precision: edgeser.Precision,
    break_it: Callable[[Path], None],
    said: str,
    toy_bundle: Bundle,
    toy_index: Index,
    device: FakeDevice,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = kind(device.tacn, device.vq, capability=capability)
    folder = Path(shutil.copytree(toy_index.folder, tmp_path / "kernels"))
    break_it(folder)
    with pytest.raises(edgeser.BackendError, match=said):
        open_cuda(toy_bundle, folder, precision, open_device=lambda: device)
    caplog.clear()
    engine = open_auto(toy_bundle, folder, precision, open_device=lambda: device)
    assert engine.backend == "cpu"
    assert engine.precision == precision
    with caplog.at_level(logging.WARNING):
        assert "the model runs on the CPU, not on the fake: " in warnings_of(caplog)[-1]


@pytest.mark.usefixtures("no_tensorrt")
@pytest.mark.parametrize("fault", ["allocate", "pin", "load", "launch", "synchronize", "capture"])
def test_a_gpu_that_fails_at_once(
    fault: str,
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    toy_index: Index,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def failing() -> FakeDevice:
        device = fake_device(toy_bundle)
        device.fails = {fault}
        return device

    with pytest.raises(edgeser.DeviceError, match=f"fails to {fault}"):
        open_cuda(toy_bundle, toy_index.folder, "float32", open_device=failing)
    caplog.clear()
    engine = open_auto(toy_bundle, toy_index.folder, "float32", open_device=failing)
    assert engine.backend == "cpu"
    said = [line for line in warnings_of(caplog) if "on the CPU" in line]
    assert len(said) == 1
    assert said[0].endswith(f": the fake GPU fails to {fault}")
    assert_as_on_the_cpu(engine, toy_model)


@pytest.mark.usefixtures("no_tensorrt")
def test_load_looks_for_kernels_beside_the_bundle(
    toy_path: Path,
    toy_index: Index,
    device: FakeDevice,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(factory, "CudaDevice", lambda: device)
    bundle = Path(shutil.copy(toy_path, tmp_path / "own.edgeser"))
    assert edgeser.load(bundle, backend="auto").backend == "cpu"
    # Those of the bundled model are no good for it.
    with pytest.raises(edgeser.BackendError, match=r"default\.kernels.*edgeser compile"):
        edgeser.load(bundle, backend="cuda")
    assert edgeser.load(bundle, backend="cuda", kernels=toy_index.folder).backend == "cuda"
    shutil.copytree(toy_index.folder, own := bundle.with_suffix(".kernels"))
    assert kernels_folder(bundle) == own
    for backend in ("cuda", "auto"):
        assert edgeser.load(bundle, backend=backend).backend == "cuda"


def test_the_bundled_models_kernels_serve_others_of_its_sizes(tmp_path: Path) -> None:
    bundle = Path(shutil.copy(DEFAULT_BUNDLE, tmp_path / "tuned.edgeser"))
    index = read_index(kernels_folder(bundle))
    index.check_sizes(kernel_sizes(read_bundle(bundle).manifest))
    for capability in ((8, 0), (8, 6), (8, 7), (8, 9), (9, 0), (10, 0), (11, 0), (12, 0), (12, 1)):
        for name in KERNELS:
            found = index.kernels[name].variants_for("fp32", capability)
            assert found[0].block_rows == 1
            assert len(found) > 1


def test_no_gpu_here_is_named(toy_path: Path) -> None:
    """By cuda.core's error on a machine without a driver, or by its absence."""
    if why_no_gpu() is None:
        pytest.skip("here is a GPU")
    with pytest.raises(edgeser.DeviceError, match=r"take the CPU|edgeser\[cuda\]"):
        edgeser.load(toy_path, backend="cuda")
    assert edgeser.load(toy_path, backend="auto").backend == "cpu"
