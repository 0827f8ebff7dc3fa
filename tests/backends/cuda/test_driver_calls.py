"""Everything used of ``cuda.core`` exists there, as far as can be checked without a
driver; and nothing but a DeviceError comes back."""

from __future__ import annotations

import importlib
import inspect
import sys
from types import SimpleNamespace

import pytest

import edgeser
from edgeser.backends.cuda import driver as ours
from edgeser.backends.cuda.driver import CudaDevice, driver_version
from tests.backends.cuda.real import why_no_gpu

core = pytest.importorskip("cuda.core", reason="cuda-core is not installed (extra cuda)")
driver = pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")

CALLS = {
    # What is called, with how many arguments and which names.
    "Device": (1, ()),
    "Device.set_current": (1, ()),
    "Device.create_stream": (1, ()),
    "Device.allocate": (2, ("stream",)),
    "Stream.sync": (1, ()),
    "Stream.create_graph_builder": (1, ()),
    "LegacyPinnedMemoryResource.allocate": (2, ()),
    "Buffer.fill": (2, ("stream",)),
    "ObjectCode.from_cubin": (1, ()),
    "ObjectCode.from_ptx": (1, ()),
    "ObjectCode.get_kernel": (2, ()),
    "launch": (3, ()),
    "graph.GraphBuilder.begin_building": (1, ()),
    "graph.GraphBuilder.end_building": (1, ()),
    "graph.GraphBuilder.complete": (1, ()),
    "graph.GraphBuilder.close": (1, ()),
    "graph.Graph.launch": (2, ()),
}
ATTRIBUTES = {
    "Device": ("name", "compute_capability", "properties"),
    "Stream": ("handle",),
    "Buffer": ("handle",),
    "Kernel": ("handle",),
    "_device.DeviceProperties": ("multiprocessor_count", "integrated"),
}


def found(path: str) -> object:
    thing: object = core
    for name in path.split("."):
        thing = getattr(thing, name)
    return thing


@pytest.mark.parametrize("path", CALLS)
def test_calls_fit_cuda_core(path: str) -> None:
    count, names = CALLS[path]
    inspect.signature(found(path)).bind(*range(count), **dict.fromkeys(names))


@pytest.mark.parametrize("path", ATTRIBUTES)
def test_attributes_are_there(path: str) -> None:
    for name in ATTRIBUTES[path]:
        assert hasattr(found(path), name)


def test_a_launch_is_configured() -> None:
    config = core.LaunchConfig(grid=7, block=256, shmem_size=512)
    assert (config.grid, config.block, config.shmem_size) == ((7, 1, 1), (256, 1, 1), 512)


def test_the_driver_has_what_is_asked_of_it() -> None:
    for name in ("cuMemcpyAsync", "cuKernelSetAttribute", "cuDriverGetVersion"):
        assert callable(getattr(driver, name))
    assert driver.CUresult.CUDA_SUCCESS == 0
    assert driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES == 8


def test_without_a_driver() -> None:
    if why_no_gpu() is None:
        pytest.skip("here is a GPU")
    with pytest.raises(edgeser.DeviceError, match=r"no NVIDIA GPU can be .*take the CPU"):
        CudaDevice()


def test_a_bare_system_error_is_told_by_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """As raised by a compiled module that lost the exception."""

    def device(number: int) -> None:
        try:
            raise RuntimeError(f"no driver for GPU {number}\nwith many more lines")
        except RuntimeError as error:
            raise SystemError("returned NULL without setting an exception") from error

    fake = SimpleNamespace(Device=device)
    monkeypatch.setattr(ours, "_packages", lambda: (fake, driver))
    with pytest.raises(edgeser.DeviceError, match=r"here \(no driver for GPU 0\): install"):
        CudaDevice()


def test_the_version_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    for outcome, number, said in ((0, 13000, "13.0"), (0, 12080, "12.8"), (3, 0, None)):
        fake = SimpleNamespace(
            CUresult=driver.CUresult,
            cuDriverGetVersion=lambda o=outcome, n=number: (driver.CUresult(o), n),
        )
        monkeypatch.setattr(ours, "_packages", lambda fake=fake: (core, fake))
        assert driver_version() == said


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    with pytest.raises(edgeser.DeviceError, match=r"pip install 'edgeser\[cuda\]'"):
        CudaDevice()
    assert driver_version() is None
    importlib.import_module("edgeser.backends.cuda.factory")
