"""The version has one source, and all copies agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgeser

ROOT = Path(__file__).parents[2]
SAID = {
    "csrc/edgeser.h": r"^#define EDGESER_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$",
    "CITATION.cff": r"^version: (.+)$",
    "deploy/kubernetes.yaml": r"image: edgeser:(.+)$",
    "examples/ros2/edgeser_msgs/package.xml": r"<version>(.+)</version>",
    "examples/ros2/edgeser_ros/package.xml": r"<version>(.+)</version>",
    "examples/ros2/edgeser_ros/setup.py": r'version="(.+)"',
}


@pytest.mark.parametrize("name", SAID)
def test_every_place_says_the_same_version(name: str) -> None:
    found = re.findall(SAID[name], (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert ".".join(found) == edgeser.__version__


def test_builds_read_it_from_its_source() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in project
    assert 'input = "edgeser/version.py"' in project
    assert not re.search(r'^version = "', project, re.MULTILINE)
    assert "project(edgeser VERSION ${EDGESER_VERSION}" in (ROOT / "CMakeLists.txt").read_text()


def test_a_tag_of_another_version_is_no_release() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "tools" / "version.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run().stdout.strip() == edgeser.__version__
    assert run("--is", edgeser.__version__).returncode == 0
    wrong = run("--is", "99.0.0")
    assert wrong.returncode == 1
    assert "not 99.0.0" in wrong.stderr
