"""The number of cores that this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Those that the system lets it use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
