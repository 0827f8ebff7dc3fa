"""What importing and loading cost beside the least that anything on ONNX Runtime must pay."""

import subprocess
import sys
from typing import Any

import numpy as np

ROUNDS = 7
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
    kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
print(seconds, kib)
"""


def empty_graph() -> str:
    """A graph that passes one number on, in hex."""
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "empty", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString().hex()  # type: ignore[no-any-return]


def once(body: str) -> tuple[float, float]:
    """Seconds and MiB of a new process that does this."""
    program = _PROGRAM.format(body=body)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    seconds, kib = done.stdout.split()
    return float(seconds), int(kib) / 1024


def measure() -> dict[str, Any]:
    """Medians of ratios over rounds; Linux only."""
    least_body = LEAST.format(graph=empty_graph())
    rows = [(once(OURS), once(least_body)) for _ in range(ROUNDS)]
    return {
        "load_ms": 1000 * float(np.median([ours[0] for ours, _ in rows])),
        "load_mib": float(np.median([ours[1] for ours, _ in rows])),
        "least_ms": 1000 * float(np.median([least[0] for _, least in rows])),
        "least_mib": float(np.median([least[1] for _, least in rows])),
        "time_ratio": float(np.median([ours[0] / least[0] for ours, least in rows])),
        "memory_ratio": float(np.median([ours[1] / least[1] for ours, least in rows])),
    }
