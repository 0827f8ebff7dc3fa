"""Creates the engine of a bundle, on this machine's GPU or on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from edgeser import options
from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda.arena import Arena
from edgeser.backends.cuda.device import Device
from edgeser.backends.cuda.driver import CudaDevice
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.front_end import open_front_end
from edgeser.backends.cuda.index import read_index
from edgeser.backends.cuda.launcher import Kernels
from edgeser.backends.cuda.runtime import BATCH_SIZES, Floats, Runtime
from edgeser.backends.cuda.shapes import PRECISION_NAMES, tacn_shape
from edgeser.backends.interface import Executor
from edgeser.backends.tensorrt import Progress
from edgeser.bundle import Bundle
from edgeser.bundle.signed import Signed
from edgeser.errors import BackendError, DeviceError
from edgeser.options import Precision

_log = logging.getLogger(__name__)

PRECISIONS = {p: PRECISION_NAMES[p] for p in options.PRECISIONS if p in PRECISION_NAMES}
"""The precisions that the GPU's kernels have, by the names they go by there."""

_TRIAL_HOPS = 9
_TRIAL_TOLERANCE = 0.05
"""Of a probability. Rounding stays far below: int8 on the CPU differs by 0.004 from float32."""

OpenDevice = Callable[[], Device]


def check_gpu_precision(precision: Precision) -> str:
    """What the GPU's kernels call ``precision``. Raises BackendError: they do not have it."""
    if precision not in PRECISIONS:
        raise BackendError(
            f"the GPU kernels do not support {precision}: use {' or '.join(PRECISIONS)}, or the CPU"
        )
    return PRECISIONS[precision]


def open_auto(
    bundle: Bundle,
    kernels: Path,
    precision: Precision,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    open_device: OpenDevice | None = None,
    signed: Signed | None = None,
    graph: bool = False,
) -> Executor:
    """As :func:`open_cuda`, but falls back to the CPU, now or later, if the GPU cannot be used.

    Logs at level INFO if there is no GPU, and at level WARNING if there is an unusable one.
    """
    try:
        device = (open_device or CudaDevice)()
    except DeviceError as error:
        _log.info("the model runs on the CPU: %s", error)
        return Engine(bundle, precision)
    try:
        return _open(
            bundle, device, kernels, precision, cache, progress, signed, graph=graph, fall_back=True
        )
    except BackendError as error:
        _log.warning("the model runs on the CPU, not on the %s: %s", device.name, error)
        return Engine(bundle, precision)


def open_cuda(
    bundle: Bundle,
    kernels: Path,
    precision: Precision,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    open_device: OpenDevice | None = None,
    signed: Signed | None = None,
    graph: bool = False,
) -> CudaEngine:
    """An engine for ``bundle`` on the first GPU, tried out once.

    Args:
        bundle: the model.
        kernels: the folder that ``edgeser compile`` wrote.
        precision: of the kernels; a front end by another's keeps that of its graph.
        cache: the folder of TensorRT's engines; None for the user's own.
        progress: called with the progress of building a TensorRT engine.
        open_device: what opens the GPU; None for CUDA.
        signed: the signature that must cover the kernels; None if none must.
        graph: whether TensorRT or ONNX Runtime may run the bundle's graph.

    Raises:
        SignatureError: the signature does not cover the kernels.
        DeviceError: there is no usable GPU, or it fails.
        BackendError: there are no kernels for this model, GPU or precision, or their results differ
            from the CPU's.
    """
    check_gpu_precision(precision)  # before anything slow
    device = (open_device or CudaDevice)()
    return _open(
        bundle, device, kernels, precision, cache, progress, signed, graph=graph, fall_back=False
    )


def _open(
    bundle: Bundle,
    device: Device,
    folder: Path,
    precision: Precision,
    cache: Path | None,
    progress: Progress | None,
    signed: Signed | None,
    *,
    graph: bool,
    fall_back: bool,
) -> CudaEngine:
    index = read_index(folder, signed=signed)
    code = check_gpu_precision(precision)
    kernels = Kernels(device, index, bundle, code)
    for size in BATCH_SIZES:
        kernels.load(size)  # so that a damaged file is found now, not in the middle of a stream
    shape = tacn_shape(bundle.manifest)
    cpu = Engine(bundle, precision, projections=True)
    front_end = open_front_end(
        bundle, device, cpu.front_end, cache, progress, index=index, precision=code, graph=graph
    )
    runtime = Runtime(
        device,
        kernels,
        Arena(device, shape.block_bytes, shape.state_bytes),
        bundle.manifest.sizes,
        shape.outputs,
        front_end,
    )
    _try_out(runtime, cpu, device.name)
    return CudaEngine(cpu, runtime, fall_back=fall_back)


def _try_out(runtime: Runtime, cpu: Engine, name: str) -> None:
    """Compares both on the same noise, without the gate. Records the graphs for one stream.

    Raises:
        DeviceError: the device fails.
        BackendError: it computes something else.
    """
    manifest, core = cpu.bundle.manifest, cpu.core
    sizes = manifest.sizes
    random = np.random.default_rng(0)
    noise = (0.05 * random.standard_normal((_TRIAL_HOPS, 1, sizes.segment))).astype(np.float32)
    level = np.full(1, manifest.level_initial, np.float32)
    block = np.zeros(core.tacn.state_bytes, np.uint8)
    remedy = "update its driver, or compile the kernels again"
    row = runtime.lease()
    distances = []
    try:
        for n, segment in enumerate(noise):
            features = cpu.front_end(segment, level)
            wanted, _ = core.fusion(features.deep, features.latent)
            try:
                found, _ = runtime.look(segment, level)
                logits = runtime.step([row], [n == 0], found)
            except DeviceError:
                raise
            except BackendError as error:
                raise BackendError(f"the {name} computes wrong results: {remedy}") from error
            if not np.isfinite(logits).all():
                raise BackendError(f"the {name} computes wrong results: {remedy}")
            distances.append(_distance(logits[0], core.tacn.step(wanted, [block])[0]))
    finally:
        runtime.release(row)
    # The median: where two codes are equally near, either may be chosen.
    distance = median(distances)
    if distance > _TRIAL_TOLERANCE:
        raise BackendError(
            f"the {name} gives probabilities that differ by {distance:.2f} from the CPU's: {remedy}"
        )


def _distance(one: Floats, other: Floats) -> float:
    """The largest difference of a probability, of logits (L,)."""
    p, q = (np.exp(logits - logits.max()) for logits in (one, other))
    return float(np.abs(p / p.sum() - q / q.sum()).max())
