"""The contests: lookups of numbers of vectors, and fusions of numbers of tokens."""

from __future__ import annotations

from bench.worker import Entry

_HERE = "bench.vq.contestants"
LOOKUPS = (1, 64, 1024, 16384)
"""Vectors."""
FUSIONS = (1, 64)
"""Tokens, of 16 vectors each."""


def entries(rows: int, lookup: bool) -> list[Entry]:
    """Ours and its peers."""
    size = {"rows": rows, "lookup": lookup}
    return [
        Entry("edgeser", f"{_HERE}:edgeser", size),
        Entry("NumPy", f"{_HERE}:numpy", size),
        Entry("faiss", f"{_HERE}:faiss", size),
        Entry("ONNX Runtime", f"{_HERE}:onnx_runtime", size),
        Entry("PyTorch", f"{_HERE}:torch", size),
    ]
