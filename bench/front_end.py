"""The default model's front end: our kernel, and its ONNX graph in ONNX Runtime and OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.sound import RATE, recording
from bench.worker import Contestant, Entry
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE

Floats = npt.NDArray[np.float32]
BATCHES = (1, 16)


def entries(batch: int) -> list[Entry]:
    """Our kernel and its peers."""
    size = {"batch": batch}
    names = {"edgeser": "edgeser", "ONNX Runtime": "onnx_runtime", "OpenVINO": "openvino"}
    return [
        Entry(name, f"bench.front_end:{factory}", size, tolerance=1e-2)
        for name, factory in names.items()
    ]


def _inputs(batch: int) -> tuple[Floats, Floats]:
    """Segments of the bundled sample, half a second apart, and running levels."""
    size = read_bundle(DEFAULT_BUNDLE).manifest.sizes.segment
    sound = recording()
    starts = (RATE * (1 + np.arange(batch)) // 2) % (len(sound) - size)
    return np.stack([sound[at : at + size] for at in starts]), np.full(batch, -30.0, np.float32)


def edgeser(batch: int) -> Contestant:
    """The kernel that streams use."""
    from edgeser.backends.cpu.engine import Engine

    front_end = Engine(read_bundle(DEFAULT_BUNDLE)).front_end
    segments, levels = _inputs(batch)
    return Contestant(lambda: front_end(segments, levels), front_end(segments, levels).deep)


def _of(run: Callable[[], Any]) -> Contestant:
    return Contestant(run, np.array(run()))


def onnx_runtime(batch: int) -> Contestant:
    """ONNX Runtime on the bundle's graph, one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    graph = read_bundle(DEFAULT_BUNDLE).frontend
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    segments, levels = _inputs(batch)
    return _of(lambda: session.run(["deep", "latent"], {"segment": segments, "level": levels})[0])


def openvino(batch: int) -> Contestant:
    """OpenVINO on the bundle's graph, one thread, tuned for latency."""
    import openvino as ov

    core = ov.Core()
    graph = core.read_model(read_bundle(DEFAULT_BUNDLE).frontend)
    segments, levels = _inputs(batch)
    graph.reshape({"segment": list(segments.shape), "level": [batch]})
    wanted = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(graph, "CPU", wanted).create_infer_request()
    request.set_tensor("segment", ov.Tensor(segments, shared_memory=True))
    request.set_tensor("level", ov.Tensor(levels, shared_memory=True))

    def run() -> Any:
        request.infer()
        return request.get_tensor("deep").data

    return _of(run)
