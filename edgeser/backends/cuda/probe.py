"""Finds out what GPU support this machine has, and what ``backend="auto"`` would choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgeser.backends.cuda.device import Device
from edgeser.backends.cuda.driver import CudaDevice, driver_version
from edgeser.backends.cuda.factory import check_gpu_precision
from edgeser.backends.cuda.front_end import ON_CPU, expected_front_end
from edgeser.backends.cuda.index import Index, read_index
from edgeser.backends.cuda.shapes import kernel_sizes
from edgeser.backends.onnx_runtime import onnx_runtime
from edgeser.backends.tensorrt import find_flavour
from edgeser.bundle import Bundle
from edgeser.errors import BackendError, DeviceError
from edgeser.options import Precision


@dataclass(slots=True)
class Probe:
    """The findings; None for a missing part, with the reason in ``problems``."""

    driver: str | None = None
    """The newest CUDA that the driver knows, as ``13.0``."""
    device: str | None = None
    """The first GPU's name."""
    capability: str | None = None
    """Its compute capability, as ``8.7``."""
    shares_memory: bool | None = None
    """Whether it has the processor's memory, as on a Jetson."""
    kernels: str | None = None
    """Which of the compiled kernels it would run: ``sm_87``, or ``ptx_80`` for its driver to
    compile; all that there are, if there is no GPU."""
    tensorrt: str | None = None
    """TensorRT or TensorRT-RTX, with its version."""
    onnx_providers: tuple[str, ...] = ()
    """Where ONNX Runtime can run graphs."""
    backend: str = "cpu"
    """What ``edgeser.load(backend="auto")`` would take."""
    front_end: str = ON_CPU
    """What would run the front end."""
    problems: dict[str, str] = field(default_factory=dict)
    """By the name of what is missing or not at its best."""


def probe(
    bundle: Bundle,
    kernels: Path,
    precision: Precision,
    *,
    cache: Path | None = None,
    open_device: Callable[[], Device] = CudaDevice,
    graph: bool = False,
) -> Probe:
    """Checks what :func:`edgeser.backends.cuda.factory.open_auto` needs, without building."""
    found = Probe(driver=driver_version())
    problems = found.problems
    device = None
    try:
        device = open_device()
    except DeviceError as error:
        problems["device"] = str(error)
    else:
        found.device = device.name
        found.capability = "{}.{}".format(*device.capability)
        found.shares_memory = device.shares_memory
    index = None
    try:
        index = read_index(kernels)
        found.kernels = _kernels(index, bundle, precision, device)
    except BackendError as error:
        problems["kernels"] = str(error)
    try:
        flavour = find_flavour()
        found.tensorrt = f"{flavour.title} {flavour.version}"
    except BackendError as error:
        problems["tensorrt"] = str(error)
    try:
        found.onnx_providers = tuple(onnx_runtime().get_available_providers())
    except BackendError as error:
        problems["onnx_providers"] = str(error)
    if device is not None and found.kernels is not None:
        found.backend = "cuda"
        found.front_end, why = expected_front_end(
            bundle,
            device.capability,
            cache,
            index=index,
            precision=check_gpu_precision(precision),
            graph=graph,
        )
        if why is not None:
            problems["front_end"] = why
    return found


def _kernels(index: Index, bundle: Bundle, precision: Precision, device: Device | None) -> str:
    """The targets that fit the device, or all. Raises BackendError: none does."""
    code = check_gpu_precision(precision)
    index.check_sizes(kernel_sizes(bundle.manifest))
    targets = {
        variant.target
        for kernel in index.kernels.values()
        for variant in (
            kernel.variants if device is None else kernel.variants_for(code, device.capability)
        )
    }
    return ", ".join(sorted(targets, key=lambda t: (t[:3], int(t.partition("_")[2]))))
