"""Detects a real GPU for the tests that need one."""

from __future__ import annotations

from functools import cache

import edgeser
from edgeser.backends.cuda.driver import CudaDevice


@cache
def why_no_gpu() -> str | None:
    """Why no GPU can be used here; None if one can."""
    try:
        CudaDevice()
    except edgeser.DeviceError as error:
        return str(error)
    return None
