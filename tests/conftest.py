"""The two models that every promise is tested on: a generated small one and the bundled one.

Another bundle takes the bundled one's place if EDGESER_TEST_BUNDLE has its path.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import edgeser
from edgeser.bundle.paths import DEFAULT_BUNDLE
from tests.optional import OptionalModule
from tests.slow import is_slow

# Triton reads this once, when it is first imported: without a GPU its kernels are interpreted.
if not Path("/dev/nvidia0").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# A job in the background is started deaf to Ctrl-C, and so would be all programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# And one that runs under nohup has SIGHUP ignored.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    """Skips files that need a missing optional package, instead of failing."""
    module: pytest.Module = OptionalModule.from_parent(parent, path=module_path)
    return module


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what ``tests/slow.py`` calls slow."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With ``pytest -n 2``, give each process tests that follow each other.

    xdist's default deals them out in turn, so that every process makes the fixtures of every file.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture(scope="session")
def toy_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy bundle on disk. Its front end is one for ONNX Runtime, and made with onnx."""
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    from tests import toy

    return toy.write(tmp_path_factory.mktemp("toy") / "toy.edgeser")


@pytest.fixture(scope="session")
def toy_model(toy_path: Path) -> edgeser.Model:
    """The small model, loaded: for tests that do not depend on the model."""
    return edgeser.load(toy_path)


@pytest.fixture(scope="session")
def bundled() -> edgeser.Model:
    """The bundled model, or its replacement."""
    bundle = Path(os.environ.get("EDGESER_TEST_BUNDLE", DEFAULT_BUNDLE))
    if not bundle.is_file():
        pytest.skip(f"{bundle.name} is not there")
    return edgeser.load(bundle)


@pytest.fixture(scope="session", params=["toy_model", "bundled"])
def model(request: pytest.FixtureRequest) -> edgeser.Model:
    """Both models in turn: for the promises."""
    loaded: edgeser.Model = request.getfixturevalue(request.param)
    return loaded
