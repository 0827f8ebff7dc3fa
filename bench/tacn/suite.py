"""The contests: widths, batches, precisions."""

from __future__ import annotations

from bench.worker import Entry

_HERE = "bench.tacn.contestants"
SIZES = ((64, 1), (128, 1), (64, 64), (128, 64))
"""(width, batch)"""


def entries(width: int, batch: int) -> list[Entry]:
    """Ours and its peers."""
    size = {"width": width, "batch": batch}
    return [
        Entry("edgeser", f"{_HERE}:edgeser", size),
        *(
            Entry(f"edgeser {p}", f"{_HERE}:edgeser", {**size, "precision": p}, tolerance)
            for p, tolerance in (("bfloat16", 0.1), ("int8", 0.2))
        ),
        Entry("ONNX Runtime", f"{_HERE}:onnx_runtime", {**size, "fused": False}),
        Entry("ONNX Runtime, fused attention", f"{_HERE}:onnx_runtime", {**size, "fused": True}),
        Entry("OpenVINO", f"{_HERE}:openvino", size),
        Entry("PyTorch", f"{_HERE}:torch", {**size, "compiled": False}),
        Entry("torch.compile", f"{_HERE}:torch", {**size, "compiled": True}),
    ]
