from __future__ import annotations

import importlib.util

import pytest

from edgeser.backends.tensorrt import Flavour, find_flavour


@pytest.fixture(scope="session")
def rtx() -> Flavour:
    """TensorRT-RTX, which builds without a GPU."""
    if importlib.util.find_spec("tensorrt_rtx") is None:
        pytest.skip("TensorRT-RTX is not installed (extra tensorrt-rtx)")
    return find_flavour("tensorrt_rtx")
