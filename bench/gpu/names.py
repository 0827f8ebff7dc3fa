"""What parts call what they time, and what the judge looks for."""

from __future__ import annotations

ON_DEVICE = ", on the device"
"""After a contestant's name: its time by the device's clock. Without: until the host knows."""
AHEAD, JIT = "edgeser", "edgeser JIT"
"""Compiled ahead of time and launched by ``cuda.core``; compiled and launched by Triton."""
BOUND = "bound: "
COPY = BOUND + "copy"
PRODUCT = BOUND + "tf32 product"
ALONE = BOUND + "product of vectors and codes alone"
NOT_READY = "not ready"
"""In the reason of whoever is absent because the time was not enough."""
