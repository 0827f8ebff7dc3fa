"""Chooses what runs the front end: our own GPU kernels, TensorRT, ONNX Runtime, or the CPU."""

from __future__ import annotations

import logging
from pathlib import Path

from edgeser.backends.cpu.front_end import Features, FloatArray, FrontEnd, OnnxFrontEnd
from edgeser.backends.cuda.device import Device
from edgeser.backends.cuda.index import Index
from edgeser.backends.cuda.own_front_end import OwnFrontEnd, check_against, find_kernels
from edgeser.backends.cuda.runtime import BATCH_SIZES, OnDevice, OnHost
from edgeser.backends.onnx_runtime import onnx_runtime
from edgeser.backends.tensorrt import Batches, EngineCache, Flavour, Progress, build, find_flavour
from edgeser.backends.tensorrt.cache import Origin, default_folder
from edgeser.backends.tensorrt.flavour import Capability
from edgeser.backends.tensorrt.session import Session
from edgeser.bundle import Bundle
from edgeser.errors import BackendError, BundleError, DeviceError

ON_GPU = "the GPU"
"""By our own kernels."""
ON_CPU = "the CPU"
ON_GPU_BY_ONNX_RUNTIME = "ONNX Runtime on the GPU"
GRAPH_NOT_ALLOWED = (
    "its ONNX graph is not given to TensorRT or ONNX Runtime: if you know who made this bundle, "
    "load it with allow_onnx=True"
)
_PROVIDER = "CUDAExecutionProvider"
_BATCHES = Batches(usual=1, most=BATCH_SIZES[-1])

_log = logging.getLogger(__name__)


def open_front_end(
    bundle: Bundle,
    device: Device,
    on_cpu: FrontEnd,
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    index: Index | None = None,
    precision: str = "fp32",
    graph: bool = False,
) -> OnDevice | OnHost:
    """Our own kernels, if their results equal the CPU's; else TensorRT, if it is installed.

    If it is neither, the reason is logged once.

    Args:
        bundle: the model.
        device: current on this thread.
        on_cpu: the model's front end on the CPU, which is always there.
        cache: the folder of TensorRT's engines; None for the user's own.
        progress: called with the progress of building an engine.
        index: of the kernels; None to do without our own.
        precision: of our own.
        graph: whether another runtime may run the bundle's graph.
    """
    reasons = []
    if index is not None:
        try:
            own = OwnFrontEnd(device, index, bundle, precision)
        except BackendError as error:
            reasons.append(str(error))
        else:
            try:
                check_against(own, device, on_cpu, bundle)
                return OnDevice(ON_GPU, own.prepare)
            except DeviceError:  # nothing else would run there after a fault
                raise
            except BackendError as error:
                reasons.append(str(error))
    instead = OnHost(ON_CPU, on_cpu)
    if graph:
        try:
            engines = EngineCache(cache or default_folder())
            return _in_tensorrt(bundle, device, engines, progress)
        except BackendError as error:
            reasons.append(str(error))
        if has_cuda_provider():
            try:
                instead = OnHost(ON_GPU_BY_ONNX_RUNTIME, _OnnxOnGpu(bundle))
            except (BackendError, BundleError) as error:
                reasons.append(str(error))
    else:
        reasons.append(GRAPH_NOT_ALLOWED)
    _log.warning("%s runs the front end: %s", instead.title, "; ".join(reasons))
    return instead


def expected_front_end(
    bundle: Bundle,
    target: Capability,
    cache: Path | None = None,
    *,
    index: Index | None = None,
    precision: str = "fp32",
    graph: bool = False,
) -> tuple[str, str | None]:
    """Predicts the choice of :func:`open_front_end` without trying it.

    Returns:
        Its title, and why nothing better, or that TensorRT has yet to build its engine.
    """
    reasons = []
    if index is not None:
        try:
            find_kernels(bundle, index, precision, target)
        except BackendError as error:
            reasons.append(str(error))
        else:
            return ON_GPU, None
    if not graph:
        return ON_CPU, "; ".join([*reasons, GRAPH_NOT_ALLOWED])
    try:
        flavour = find_flavour()
        flavour.check(target)
        engines = EngineCache(cache or default_folder())
    except BackendError as error:
        why = "; ".join([*reasons, str(error)])
        return (ON_GPU_BY_ONNX_RUNTIME if has_cuda_provider() else ON_CPU), why
    kept = engines.has(_origin(flavour, bundle, target))
    return _title(flavour), None if kept else "its engine will be built at the first load"


def has_cuda_provider() -> bool:
    """Whether the ONNX Runtime that is installed was built for GPUs."""
    try:
        return _PROVIDER in onnx_runtime().get_available_providers()
    except BackendError:
        return False


class _OnnxOnGpu:
    """A :class:`~edgeser.backends.cpu.front_end.FrontEnd`; raises DeviceError if it fails."""

    def __init__(self, bundle: Bundle) -> None:
        # Float32 stays float32, as with TensorRT; and batches differ in size, so that trying all
        # algorithms out for each would never end.
        options = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
        manifest = bundle.manifest
        self._run = OnnxFrontEnd(
            bundle.frontend, manifest.sizes, manifest.level_initial, _PROVIDER, options
        )

    def __call__(self, segments: FloatArray, levels: FloatArray) -> Features:
        try:
            return self._run(segments, levels)
        except BackendError as error:
            raise DeviceError(str(error)) from error


def _in_tensorrt(
    bundle: Bundle, device: Device, engines: EngineCache, progress: Progress | None
) -> OnDevice:
    flavour = find_flavour()
    origin = _origin(flavour, bundle, device.capability)
    built = False

    def make() -> bytes:
        nonlocal built
        built = True
        _log.info("%s builds its engine, to be kept in %s", _title(flavour), engines.folder)
        target = device.capability if flavour.portable else None
        return build(flavour, bundle.frontend, _BATCHES, target=target, progress=progress)

    engine = engines.get(origin, make)
    try:
        session = Session(flavour, engine, _shapes(bundle))
    except DeviceError as error:
        if built:
            raise
        engines.forget(origin, str(error))
        session = Session(flavour, engines.get(origin, make), _shapes(bundle))
    return OnDevice(_title(flavour), session.prepare)


def _shapes(bundle: Bundle) -> dict[str, tuple[int, ...]]:
    """Of the front end's inputs and outputs, without the batch."""
    s = bundle.manifest.sizes
    return {
        "segment": (s.segment,),
        "level": (),
        "deep": (s.deep,),
        "latent": (s.positions, s.code_width),
        "level_out": (),
    }


def _origin(flavour: Flavour, bundle: Bundle, target: Capability) -> Origin:
    # The precision is the graph's own, and its hash is part of the origin.
    return Origin.of(flavour, bundle.frontend, _BATCHES, target, bundle.hash, "graph")


def _title(flavour: Flavour) -> str:
    return f"{flavour.title} {flavour.version}"
