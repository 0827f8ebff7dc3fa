"""The Triton kernels of the bundled model compile for every GPU, without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

# In a process of its own: Triton decides once whether it compiles or interprets.
_PROGRAM = """
import json, sys
from edgeser.bundle import read_bundle
from edgeser.kernels.triton.compile import TARGETS, compiled
from edgeser.kernels.triton.launch import CONFIGURATIONS
from edgeser.loading import DEFAULT_BUNDLE
manifest = read_bundle(DEFAULT_BUNDLE).manifest
for kernel, configurations in CONFIGURATIONS.items():
    for chosen in configurations:
        for target in TARGETS:
            made = compiled(kernel, manifest, chosen, target)
            cubin = made.asm["cubin"]
            print(json.dumps([kernel, chosen.block_rows, target, made.metadata.shared,
                              len(cubin), cubin[:4].hex(), "mma" in made.asm["ptx"]]))
"""
DESKTOP_SHARED_BYTES = 99 << 10
"""What a program may have at most on compute capability 8.6, 8.9 and 12.0."""


def test_every_target_gets_a_cubin() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 5 * 7
    for kernel, block_rows, target, shared, size, magic, tensor_cores in rows:
        assert magic == b"\x7fELF".hex()
        assert 10_000 < size < 300_000, (kernel, target)
        assert shared <= DESKTOP_SHARED_BYTES, (kernel, target)
        # A single token is no matrix; rows of them are, and so are the positions of one lookup.
        matrix = block_rows > 1 or kernel == "vq_fusion"
        assert tensor_cores == matrix, (kernel, block_rows, target)
