from __future__ import annotations

from pathlib import Path

import pytest

from edgeser.backends.cuda.index import Index
from edgeser.bundle import Bundle, read_bundle
from tests.backends.cuda.fake import make_index
from tests.backends.tensorrt.conftest import rtx

__all__ = ["rtx"]


@pytest.fixture(scope="session")
def toy_bundle(toy_path: Path) -> Bundle:
    return read_bundle(toy_path)


@pytest.fixture(scope="session")
def toy_index(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Kernels for the toy on the fake GPU."""
    return make_index(tmp_path_factory.mktemp("kernels"), toy_bundle)
