"""The whole of ``stream.process`` beside openSMILE's eGeMAPS, on the same recording.

Both on one thread, in turns, so that whatever else the machine does happens to both; the figures
are medians of the rounds' ratios.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

import edgeser

SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"
RATE = 16_000
ROUNDS = 9


def recording() -> npt.NDArray[np.float32]:
    """The bundled sample at 16 kHz."""
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    resampled: npt.NDArray[np.float32] = soxr.resample(samples, rate, RATE).astype(np.float32)
    return resampled


def streamed(model: edgeser.Model, samples: npt.NDArray[np.float32]) -> float:
    """Seconds for the recording in hops of 128 ms, as a microphone's would come."""
    hop = round(model.hop * RATE)
    stream = model.stream(RATE)
    began = time.perf_counter()
    for start in range(0, len(samples), hop):
        stream.process(samples[start : start + hop])
    return time.perf_counter() - began


def pooled(model: edgeser.Model, samples: npt.NDArray[np.float32], streams: int) -> float:
    """Seconds a stream for the recording, ``streams`` of them stepped together."""
    hop = round(model.hop * RATE)
    pool = model.pool()
    members = [pool.stream(RATE) for _ in range(streams)]
    began = time.perf_counter()
    for start in range(0, len(samples), hop):
        pool.process(dict.fromkeys(members, samples[start : start + hop]))
    return (time.perf_counter() - began) / streams


def front_end(model: edgeser.Model, steps: int) -> float:
    """Seconds of as many runs of the front end alone, through ONNX Runtime."""
    import io
    import zipfile

    from edgeser.backends import onnx_runtime
    from edgeser.loading import DEFAULT_BUNDLE

    ort = onnx_runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    graph = zipfile.ZipFile(io.BytesIO(DEFAULT_BUNDLE.read_bytes())).read("frontend.onnx")
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    sizes = model.facts["sizes"]
    inputs = {
        "segment": np.zeros((1, sizes["segment"]), np.float32),
        "level": np.full(1, -30.0, np.float32),
    }
    began = time.perf_counter()
    for _ in range(steps):
        session.run(None, inputs)
    return time.perf_counter() - began


def measure() -> dict[str, Any]:
    """Medians over rounds; openSMILE's are absent where it is not installed."""
    model, samples = edgeser.load(), recording()
    seconds = len(samples) / RATE
    steps = -(-len(samples) // round(model.hop * RATE))
    smile = _open_smile()
    rows = []
    for _ in range(ROUNDS + 1):
        row = {
            "stream": streamed(model, samples),
            "front_end": front_end(model, steps),
            "pool_64": pooled(model, samples[: 4 * RATE], 64) * len(samples) / (4 * RATE),
        }
        if smile is not None:
            began = time.perf_counter()
            smile.process_signal(samples, RATE)
            row["opensmile"] = time.perf_counter() - began
        rows.append(row)
    rows = rows[1:]  # the first warms up
    result = {
        "audio_seconds": seconds,
        "real_time": {name: seconds / _median([r[name] for r in rows]) for name in rows[0]},
        "front_end_share": _median([r["front_end"] / r["stream"] for r in rows]),
        "pool_64_over_single": _median([r["stream"] / r["pool_64"] for r in rows]),
    }
    if smile is not None:
        result["opensmile_over_stream"] = _median([r["opensmile"] / r["stream"] for r in rows])
    return result


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _open_smile() -> Any:
    """EGeMAPS functionals; None where openSMILE is not installed (by hand, for its licence)."""
    try:
        import opensmile
    except ImportError:
        return None
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
