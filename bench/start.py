"""Cost of importing and loading, compared with the minimum for any use of ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

OURS = "import edgeser; edgeser.load()"
LEAST = """
import numpy, onnxruntime
onnxruntime.InferenceSession(bytes.fromhex("{graph}"), providers=["CPUExecutionProvider"])
"""
"""NumPy, ONNX Runtime, and a session of a graph that does nothing."""
_PROGRAM = """
import time
began = time.perf_counter()
{body}
seconds = time.perf_counter() - began
with open("/proc/self/status") as status:
    lines = dict(line.split(":", 1) for line in status)
print(seconds, int(lines["VmRSS"].split()[0]), int(lines["Threads"]))
"""


def empty_graph() -> str:
    """A graph that returns its input, in hex."""
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "empty", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString().hex()  # type: ignore[no-any-return]


def once(body: str) -> tuple[float, float, int]:
    """Seconds, MiB and threads of a new process with this code."""
    program = _PROGRAM.format(body=body)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kib, threads = done.stdout.split()
    return float(seconds), int(kib) / 1024, int(threads)


def measure(rounds: int) -> dict[str, float]:
    """Medians over rounds, ratios within a round; Linux only."""
    least_body = LEAST.format(graph=empty_graph())
    once(OURS), once(least_body)  # fills the page cache
    rows = [(once(OURS), once(least_body)) for _ in range(rounds)]
    ours, least = (np.median([row[which] for row in rows], axis=0) for which in (0, 1))
    time_ratio, memory_ratio, _ = np.median(
        [np.divide(ours, least) for ours, least in rows], axis=0
    )
    return {
        "load_ms": 1000 * float(ours[0]),
        "load_mib": float(ours[1]),
        "load_threads": float(ours[2]),
        "least_ms": 1000 * float(least[0]),
        "least_mib": float(least[1]),
        "least_threads": float(least[2]),
        "time_ratio": float(time_ratio),
        "memory_ratio": float(memory_ratio),
    }


def wheel_bytes() -> int | None:
    """Size of a wheel of this source with its model; None if it cannot be built here."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        build = [f"-Cbuild-dir={folder}/build", "--no-deps", "--no-build-isolation", "-w", folder]
        command = [sys.executable, "-m", "pip", "wheel", "-q", str(root), *build]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            return None
        [wheel] = Path(folder).glob("*.whl")
        zipfile.ZipFile(wheel).getinfo("edgeser/models/default.edgeser")  # KeyError without it
        return wheel.stat().st_size
