from __future__ import annotations

from pathlib import Path

import pytest

import edgeser
from edgeser.backends.cuda import front_end
from edgeser.backends.cuda.index import Index
from edgeser.backends.tensorrt import Flavour
from edgeser.bundle import Bundle, read_bundle
from tests.backends.cuda.fake import FakeDevice, fake_device, make_index
from tests.backends.tensorrt.conftest import rtx

__all__ = ["rtx"]


@pytest.fixture(scope="session")
def toy_bundle(toy_path: Path) -> Bundle:
    return read_bundle(toy_path)


@pytest.fixture(scope="session")
def toy_index(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Kernels for the toy on the fake GPU."""
    return make_index(tmp_path_factory.mktemp("kernels"), toy_bundle)


@pytest.fixture
def device(toy_bundle: Bundle) -> FakeDevice:
    return fake_device(toy_bundle)


@pytest.fixture
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here() -> Flavour:
        raise edgeser.BackendError("no TensorRT here")

    monkeypatch.setattr(front_end, "find_flavour", none_here)
