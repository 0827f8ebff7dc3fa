"""The package ``edgeser_ros``, importable, with a stand-in for ROS 2 around it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.ros2.stand_in import ROS2, Messages, Node, modules

PACKAGE = "edgeser_ros"


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``import edgeser_ros`` imports this checkout's package; the import is undone afterwards."""
    monkeypatch.syspath_prepend(str(ROS2 / PACKAGE))
    yield
    for name in [n for n in sys.modules if n.split(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def ros(monkeypatch: pytest.MonkeyPatch) -> Messages:
    """ROS 2 as far as the package uses it; its ``spin`` is Ctrl-C at once."""
    messages = Messages()

    def spin(_: Node) -> None:
        raise KeyboardInterrupt

    for name, module in modules(messages, spin).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(Node, "values", {})
    return messages
